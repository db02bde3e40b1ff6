package bench

import (
	"strings"
	"testing"
)

const goOutput = `goos: linux
pkg: warren/esp
cpu: Abacus
BenchmarkSeal/aes128gcm16-esn/64-2         	    2325	     14191 ns/op	 288.63 MB/s	   4000000 pkt/s	       0 B/op	       0 allocs/op
BenchmarkSeal/aes128gcm16-esn/64-2         	    2325	     14191 ns/op	 288.63 MB/s	   5000000 pkt/s	       0 B/op	       0 allocs/op
PASS
ok  	warren/esp	1.136s
pkg: warren/dataplane
BenchmarkEgress/three,_families_mixed/1200-2  	     268	    394637 ns/op	     900 ns/packet	       0 B/op	       2 allocs/op
BenchmarkInbound/layers=4/1400-16  	     268	    394637 ns/op	     900 ns/packet
pkg: warren/sa
BenchmarkLookup-2   	12584935	         7.769 ns/op	       0 B/op	       0 allocs/op
BenchmarkBroken
`

func TestParseGo(t *testing.T) {
	lines, err := ParseGo(strings.NewReader(goOutput))
	if err != nil || len(lines) != 4 {
		t.Fatalf("%d lines, %v; want 4: %+v", len(lines), err, lines)
	}
	want := []struct {
		name         string
		ns           float64
		layers, size int
	}{
		{"Seal/aes128gcm16-esn/64", 225, 1, 64}, // 1/4,000,000 s and 1/5,000,000 s, by the median rate 222.2
		{"Egress/three,_families_mixed/1200", 900, 3, 1200},
		{"Inbound/layers=4/1400", 900, 4, 1400},
		{"Lookup", 7.769, 0, 0},
	}
	want[0].ns = 1e9 / 4.5e6
	for i, w := range want {
		l := lines[i]
		if l.Name != w.name || l.perPacket() != w.ns || l.layers() != w.layers || l.size() != w.size {
			t.Errorf("%s: %v ns, %d layers, %d bytes; want %+v", l.Name, l.perPacket(), l.layers(), l.size(), w)
		}
	}
}

func TestParseGoFailure(t *testing.T) {
	for _, s := range []string{"--- FAIL: TestX (0.00s)\n", "FAIL\twarren/esp [build failed]\n", "panic: oh\n"} {
		if _, err := ParseGo(strings.NewReader(goOutput + s)); err == nil {
			t.Errorf("ParseGo takes %q for a success", s)
		}
	}
}

func TestParseGoNothing(t *testing.T) {
	if _, err := ParseGo(strings.NewReader("ok  	warren/policy	0.015s\n")); err == nil {
		t.Error("ParseGo is content without a benchmark")
	}
}

func TestGoTable(t *testing.T) {
	lines, err := ParseGo(strings.NewReader(goOutput))
	if err != nil {
		t.Fatal(err)
	}
	got := GoTable(lines)
	for _, want := range []string{
		"| esp Seal/aes128gcm16-esn/64                 |             222 |             222 | 4.50 |  288 |         0 |    0 |",
		"| dataplane Egress/three,_families_mixed/1200 |             900 |             300 | 1.11 | 1333 |      2.00 |    0 |",
		"| sa Lookup                                   |            7.77 |                 |  129 |      |         0 |    0 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}
