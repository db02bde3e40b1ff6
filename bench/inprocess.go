package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const inprocessTop = `# In process

Written by ` + "`make bench`" + `: benchmarks of the data path without a kernel, on one core. The network and the TUN device are
memory, and packets are made between the measurements. Figures are medians of what ` + "`go test -count`" + ` says. What carries
over to other machines are the multiples.

`

// InprocessPage is what `go test -bench` says of the data path, as a page.
func InprocessPage(lines []GoLine) string {
	return inprocessTop + caption(time.Now(), ThisMachine()) +
		"\n## A packet's way\n\nIn ns, and as a multiple of the cipher call alone with the same library, for a packet of that size without any header added: out from the TUN's\n" +
		"buffer to the socket's, with parsing, the flow cache, sequence numbers and all layers, and in from the socket's to the TUN's, with\n" +
		"replay checks and selectors. All but the first layer are ESP without UDP. Of a layer's cost, 52 to 64 bytes of headers are a part, which the cipher gets besides.\n\n" + pathTable(lines) +
		"\n## Many peers\n\nA gateway's way of a packet, in ns, with one client and with 10,000 of them, each with SAs of its own: 16 packets in a row of each\n" +
		"client, as TCP sends them, and one, in a random order, so that every packet needs other memory. In parentheses the rate as a part of that with one client.\n\n" + gatewayTable(lines) +
		"\n## All benchmarks\n\n" + GoTable(lines)
}

// pathTable has a row for each library, size and way of BenchmarkPath.
func pathTable(lines []GoLine) string {
	const most = 4
	head := []string{"ns per packet", "cipher alone"}
	for n := 1; n <= most; n++ {
		head = append(head, fmt.Sprintf("layers: %d", n))
	}
	rows := [][]string{head}
	at := make(map[string]int)
	for _, l := range lines {
		library, ok := strings.CutPrefix(l.Name, "Path/")
		if !ok || l.layers() < 1 || l.layers() > most {
			continue
		}
		library = strings.ReplaceAll(library[:strings.LastIndex(library, "/layers=")], "_", " ")
		for _, way := range ways() {
			name := fmt.Sprintf("%s, %d B %s", library, l.size(), way)
			if at[name] == 0 {
				at[name] = len(rows)
				rows = append(rows, append([]string{name}, make([]string, 1+most)...))
			}
			ns, _ := l.figure("ns-" + way)
			cipher, _ := l.figure("cipher-ns-" + way)
			multiple, _ := l.figure("xcipher-" + way)
			row := rows[at[name]]
			row[1], row[1+l.layers()] = number(cipher), fmt.Sprintf("%s (%s×)", number(ns), number2(multiple))
		}
	}
	return table(rows)
}

// gatewayTable has a row for each size and way of BenchmarkGateway.
func gatewayTable(lines []GoLine) string {
	const alone = "clients=1/run=1"
	rows := [][]string{{"ns per packet", "1 client", "10,000, 16 in a row", "10,000, 1 in a row"}}
	for _, base := range lines {
		way, ok := strings.CutPrefix(base.Name, "Gateway/")
		way, size, same := strings.Cut(way, "/"+alone+"/")
		if !ok || !same {
			continue
		}
		row := []string{size + " B " + way, number(base.perPacket())}
		for _, load := range []string{"clients=10000/run=16", "clients=10000/run=1"} {
			row = append(row, gatewayCell(lines, strings.Replace(base.Name, alone, load, 1), base.perPacket()))
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows[1:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return table(rows)
}

// gatewayCell is a benchmark's figure and the rate as a part of that with alone.
func gatewayCell(lines []GoLine, name string, alone float64) string {
	for _, l := range lines {
		if l.Name == name {
			return fmt.Sprintf("%s (%.0f %%)", number(l.perPacket()), 100*alone/l.perPacket())
		}
	}
	return ""
}
