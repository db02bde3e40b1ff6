package dataplane

import (
	"bytes"
	"testing"

	"warren/packet"
)

// FuzzIngress gives the whole ingress path any datagram: no panic, nothing
// delivered that was not sealed by the other side, and every packet counted.
func FuzzIngress(f *testing.F) {
	p := newPair(f, nests["three tunnels and transport"]...)
	a, b := p.ends(false)
	good := p.capture(f, datagram(a, b, 100, 1))
	f.Add(good.Data, uint8(1))
	f.Add(good.Data[:20], uint8(0))
	f.Add([]byte{0xff}, uint8(1))
	f.Add([]byte{0, 0, 0, 0, 1}, uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		x := packet.New(max(len(data), 100))
		x.Set(data)
		x.Kind = packet.Kind(kind % 2)
		x.Ends = &packet.Ends{Local: good.To, Remote: good.From}
		before := p.b.dp.Counters().ToTUN
		if err := p.b.dp.ingress[0].batch(packet.Batch{x}); err != nil {
			t.Fatal(err)
		}
		c := p.b.dp.Counters()
		if !c.Balanced() {
			t.Fatalf("counters do not balance: %+v", c)
		}
		if c.ToTUN != before && !bytes.Equal(data, good.Data) {
			t.Fatal("delivered what nobody sealed")
		}
	})
}

// FuzzEgress gives the whole egress path any packet.
func FuzzEgress(f *testing.F) {
	p := newPair(f, nests["three tunnels and transport"]...)
	p.a.bundle.Own4, p.a.bundle.Lease4 = addr(4, 9, false), addr(4, 1, false)
	f.Add(datagram(addr(4, 9, false), addr(4, 2, false), 100, 1))
	f.Add(datagram(addr(4, 9, true), addr(4, 2, true), 1500, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		e := p.a.dp.egress[0]
		x := packet.New(max(len(data), 100))
		x.Set(data)
		if err := e.batch(packet.Batch{x}); err != nil {
			t.Fatal(err)
		}
		if c := p.a.dp.Counters(); !c.Balanced() {
			t.Fatalf("counters do not balance: %+v", c)
		}
	})
}
