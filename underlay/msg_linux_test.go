package underlay

import "testing"

// TestGather: parts that touch become one, others stay.
func TestGather(t *testing.T) {
	var m message
	mem := make([]byte, 100)
	n := 0
	for _, b := range [][]byte{mem[:10], mem[10:30], mem[31:40], mem[20:31], mem[31:32], mem[90:]} {
		n = m.gather(n, b)
	}
	want := []struct{ from, length int }{{0, 30}, {31, 9}, {20, 12}, {90, 10}}
	if n != len(want) {
		t.Fatalf("%d parts, want %d", n, len(want))
	}
	for i, w := range want {
		if m.iov[i].Base != &mem[w.from] || int(m.iov[i].Len) != w.length {
			t.Errorf("part %d has %d bytes, want %d from %d on", i, m.iov[i].Len, w.length, w.from)
		}
	}
}
