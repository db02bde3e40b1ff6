package sa

import (
	"encoding/binary"
	"runtime"
	"testing"

	"warren/esp"
)

// TestMemoryPerSA holds what an SA with the default window takes, its keys and
// all, to the 4 KiB that are promised. (With the standard library's ciphers a pair
// takes less; libipsec-mb expands its keys to more than a kilobyte.)
func TestMemoryPerSA(t *testing.T) {
	const n, limit = 10_000, 4096
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for _, c := range []esp.Cipher{esp.AES128GCM16, esp.AES256GCM16, esp.ChaCha20Poly1305} {
		p := testParams(true)
		p.Suite.Cipher = c
		p.Key = make([]byte, p.Suite.KeyLen())
		sad, outs := NewSAD(nil), make([]*Outbound, n)
		start := heap()
		for i := range n {
			binary.BigEndian.PutUint32(p.Key, uint32(i))
			p.SPI, _ = sad.Reserve()
			if err := sad.Install(newInbound(t, p)); err != nil {
				t.Fatal(err)
			}
		}
		in := (heap() - start) / n
		for i := range outs {
			binary.BigEndian.PutUint32(p.Key, uint32(i))
			outs[i] = newOutbound(t, p)
		}
		out := (heap()-start)/n - in
		if t.Logf("%v: %d bytes inbound, %d outbound", p.Suite, in, out); max(in, out) > limit {
			t.Errorf("%v: SAs take %d and %d bytes, want at most %d", p.Suite, in, out, limit)
		}
		runtime.KeepAlive(sad)
		runtime.KeepAlive(outs)
	}
}
