package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A GoLine is one benchmark as `go test -bench` tells it, each figure once for
// every time it ran (-count).
type GoLine struct {
	Package string
	Name    string // "Egress/udp_tunnel/64", without the number of threads
	Figures map[string][]float64
}

// ParseGo reads the output of `go test -bench`. A failed test in it is an error,
// and so is no benchmark at all.
func ParseGo(r io.Reader) ([]GoLine, error) {
	var lines []GoLine
	var failed []string
	pkg := ""
	in := bufio.NewScanner(r)
	for in.Scan() {
		line := in.Text()
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "pkg:":
			pkg = strings.TrimPrefix(f[1], "warren/")
		case strings.HasPrefix(line, "--- FAIL"), strings.HasPrefix(line, "FAIL"), strings.HasPrefix(line, "panic:"):
			failed = append(failed, line)
		case len(f) >= 4 && strings.HasPrefix(f[0], "Benchmark"):
			lines = add(lines, pkg, f)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if len(failed) > 0 {
		return nil, fmt.Errorf("bench: go test: %s", strings.Join(failed, "; "))
	}
	if len(lines) == 0 {
		return nil, errors.New("bench: go test: no benchmark has run")
	}
	return lines, nil
}

// add adds the figures of one line: a name, a count, and values with units.
func add(lines []GoLine, pkg string, f []string) []GoLine {
	name := regexp.MustCompile(`-\d+$`).ReplaceAllString(strings.TrimPrefix(f[0], "Benchmark"), "")
	i := len(lines) - 1
	for ; i >= 0; i-- {
		if lines[i].Name == name && lines[i].Package == pkg {
			break
		}
	}
	if i < 0 {
		lines = append(lines, GoLine{pkg, name, make(map[string][]float64)})
		i = len(lines) - 1
	}
	for j := 2; j+1 < len(f); j += 2 {
		if v, err := strconv.ParseFloat(f[j], 64); err == nil {
			lines[i].Figures[f[j+1]] = append(lines[i].Figures[f[j+1]], v)
		}
	}
	return lines
}

func (l GoLine) figure(unit string) (float64, bool) {
	s := Summarize(l.Figures[unit])
	return s.Median, s.N > 0
}

// perPacket is nanoseconds for a packet: what the benchmark reports as such,
// else what follows from its packets a second, else its operation.
func (l GoLine) perPacket() float64 {
	if v, ok := l.figure("ns/packet"); ok {
		return v
	}
	if v, ok := l.figure("pkt/s"); ok && v > 0 {
		return 1e9 / v
	}
	v, _ := l.figure("ns/op")
	return v
}

// layers is how many ESP layers the benchmark's packets have: what it reports
// as such, or a number that its name says in words or beside "layers", else one
// in the packages that seal and open. Zero is a benchmark without layers.
func (l GoLine) layers() int {
	if v, ok := l.figure("layers"); ok {
		return int(v)
	}
	words := strings.FieldsFunc(strings.ToLower(l.Name), func(r rune) bool { return strings.ContainsRune("/_,-= ", r) })
	for i, w := range words {
		for n, word := range []string{"one", "two", "three", "four"} {
			if w == word {
				return n + 1
			}
		}
		if n, err := strconv.Atoi(w); err == nil && i+1 < len(words) && strings.HasPrefix(words[i+1], "layer") {
			return n
		}
		if n, err := strconv.Atoi(w); err == nil && i > 0 && strings.HasPrefix(words[i-1], "layer") {
			return n
		}
	}
	if strings.HasPrefix(l.Name, "Seal") || strings.HasPrefix(l.Name, "Open") || l.Package == "dataplane" {
		return 1
	}
	return 0
}

// size is the packet's bytes, the number that ends the benchmark's name. Zero
// is none.
func (l GoLine) size() int {
	n, err := strconv.Atoi(l.Name[strings.LastIndexAny(l.Name, "/_=")+1:])
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// ways are the directions that one benchmark may tell apart, as in "ns-out".
func ways() []string { return []string{"out", "in"} }

// waysApart makes lines of their own of the ways of a benchmark that tells them
// apart: Path/out/64 and Path/in/64 of Path/64.
func waysApart(lines []GoLine) []GoLine {
	var all []GoLine
	for _, l := range lines {
		whole := true
		for _, way := range ways() {
			if v := l.Figures["ns-"+way]; v != nil {
				first, rest, _ := strings.Cut(l.Name, "/")
				all = append(all, GoLine{l.Package, first + "/" + way + "/" + rest, map[string][]float64{"ns/packet": v}})
				whole = false
			}
		}
		if whole {
			all = append(all, l)
		}
	}
	return all
}

// GoTable prints benchmarks as one table.
func GoTable(lines []GoLine) string {
	rows := [][]string{{"benchmark", "ns/packet or op", "ns/packet/layer", "Mpps", "MB/s", "allocs/op", "B/op"}}
	for _, l := range waysApart(lines) {
		ns := l.perPacket()
		layer, rate, bytes := "", "", ""
		if n := l.layers(); n > 0 {
			layer = number(ns / float64(n))
		}
		if ns > 0 {
			rate = number(1e3 / ns)
			if size := l.size(); size > 0 {
				bytes = number(float64(size) / ns * 1e3)
			} else if v, ok := l.figure("MB/s"); ok {
				bytes = number(v)
			}
		}
		allocs, _ := l.figure("allocs/op")
		held, _ := l.figure("B/op")
		rows = append(rows, []string{l.Package + " " + l.Name, number(ns), layer, rate, bytes, number(allocs), number(held)})
	}
	return table(rows)
}
