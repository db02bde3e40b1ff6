package bench

import (
	"strings"
	"testing"
)

// FuzzText feeds what other programs print to everything that reads it. A
// benchmark that was understood can be printed.
func FuzzText(f *testing.F) {
	f.Add(goOutput)
	f.Add("64 bytes from 198.51.100.1: icmp_seq=1 ttl=64 time=0.165 ms\n")
	f.Add("17 (a) b) S 1 17 17 0 -1 4194560 900 0 0 0 150 250 7 8")
	f.Add("cpu  100 20 300 5000 600 7 80 900 50 60\n")
	f.Add("BenchmarkX/layers=/_-1-2 1 NaN ns/op 0 ns/packet -1 layers\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, ms := range pingTimes(s) {
			_ = number(ms)
		}
		_, _ = parseStat(s)
		_, _ = parseProcess(s)
		lines, err := ParseGo(strings.NewReader(s))
		if err == nil && !strings.Contains(GoTable(lines), lines[0].Name) {
			t.Errorf("the table lacks %q", lines[0].Name)
		}
	})
}
