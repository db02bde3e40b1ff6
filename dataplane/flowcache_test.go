package dataplane

import (
	"fmt"
	"net/netip"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"warren/nest"
	"warren/packet"
)

// TestFlowCache holds the cache to a map, through growth and generations.
func TestFlowCache(t *testing.T) {
	c := newFlowCache[int](4096)
	flow := func(i int) packet.Flow {
		return packet.Flow{Src: addr(1, 1, false), Dst: addr(2, 2, true), SrcPort: uint16(i)}
	}
	for i := range 3000 {
		f := flow(i)
		c.put(&f, 1, i)
	}
	hits := 0
	for i := range 3000 {
		f := flow(i)
		if d, ok := c.get(&f, 1); ok {
			hits++
			if d != i {
				t.Fatalf("flow %d has the decision of %v", i, d)
			}
		}
		if _, ok := c.get(&f, 2); ok {
			t.Fatalf("flow %d outlives its generation", i)
		}
	}
	if hits < 2500 || len(c.entries) > 4096 {
		t.Errorf("%d of 3000 flows found in %d entries", hits, len(c.entries))
	}
	for i := range 60000 {
		f := flow(i)
		c.put(&f, 3, i)
	}
	if len(c.entries) > 4096 {
		t.Errorf("cache grew to %d entries past its limit", len(c.entries))
	}
}

// TestFlowCacheGenerations: the same few flows, decided again for every view,
// are no reason to grow, nor are they when they come back.
func TestFlowCacheGenerations(t *testing.T) {
	c := newFlowCache[int](1 << 16)
	before := len(c.entries)
	for gen := uint64(1); gen < 200; gen++ {
		for i := range 100 {
			f := packet.Flow{Src: addr(1, 1, false), Dst: addr(2, 2, false), SrcPort: uint16(i)}
			c.put(&f, gen, i)
		}
	}
	if len(c.entries) != before {
		t.Errorf("100 flows make the cache grow from %d to %d entries", before, len(c.entries))
	}
}

// drawAddr draws one of few addresses, or any.
func drawAddr(t *rapid.T, name string) netip.Addr {
	few := []netip.Addr{
		{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), addr(1, 1, false), addr(1, 2, false),
		addr(1, 1, true), addr(1, 2, true), netip.MustParseAddr("2001:db8:1::"), netip.MustParseAddr("a00::1"),
	}
	if rapid.Bool().Draw(t, name+" of few") {
		return rapid.SampledFrom(few).Draw(t, name)
	}
	if rapid.Bool().Draw(t, name+" is IPv4") {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
	}
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name)))
}

// TestFlowKey: two keys are equal where the flows are, and then so are their
// hashes.
func TestFlowKey(t *testing.T) {
	seed := newFlowCache[int](ways).seed
	rapid.Check(t, func(t *rapid.T) {
		var flows [2]packet.Flow
		var keys [2]flowKey
		for i := range flows {
			flows[i] = packet.Flow{
				Src: drawAddr(t, "src"), Dst: drawAddr(t, "dst"), Proto: rapid.SampledFrom([]uint8{0, 6, 32, 128, 255}).Draw(t, "proto"),
				SrcPort: rapid.SampledFrom([]uint16{0, 1, 1 << 15}).Draw(t, "sport"), DstPort: rapid.SampledFrom([]uint16{0, 1, 1 << 15}).Draw(t, "dport"),
				Frag: rapid.Bool().Draw(t, "frag"),
			}
			if rapid.IntRange(0, 9).Draw(t, "nothing") == 0 {
				flows[i] = packet.Flow{Src: flows[i].Src, Dst: flows[i].Src}
			}
			if rapid.IntRange(0, 2).Draw(t, "alike") > 0 {
				flows[i] = flows[0]
				flows[i].Frag = rapid.Bool().Draw(t, "frag")
			}
			keys[i] = flowKey{1, 2, 3, 4, 5} // set sets all of it
			keys[i].set(&flows[i])
		}
		same := flows[0] == flows[1]
		if keys[0].equal(&keys[1]) != same || (keys[0] == keys[1]) != same {
			t.Fatalf("%+v and %+v have the keys %x and %x", flows[0], flows[1], keys[0], keys[1])
		}
		if same && keys[0].hash(&seed) != keys[1].hash(&seed) {
			t.Fatalf("%+v has two hashes", flows[0])
		}
	})
}

// TestFlowEntrySize: what the documentation says of a flow's memory, and that a
// look-up which finds it at once needs one cache line.
func TestFlowEntrySize(t *testing.T) {
	if n := unsafe.Sizeof(flowEntry[decided]{}); n != 64 {
		t.Errorf("an entry has %d bytes, want %d", n, 64)
	}
}

// keyView holds packets under a key by their destination port.
type keyView struct{ *fakeView }

func (keyView) Decide(f packet.Flow) nest.Decision {
	return nest.Decision{Verdict: nest.Hold, Key: nest.Key(fmt.Sprint(f.DstPort % 3))}
}

// TestHeldKeys: a decision from the cache has the key that it had, in each view.
func TestHeldKeys(t *testing.T) {
	e := newPair(t, nests["udp tunnel"]...).a.dp.egress[0]
	for gen := range uint64(3) {
		v := &published{keyView{}, gen + 1}
		for range 2 {
			for port := range uint16(10) {
				p := &packet.Packet{Flow: packet.Flow{Src: addr(1, 1, false), Dst: addr(1, 2, false), DstPort: port + uint16(gen)}}
				if d := e.decide(v, p); d != v.Decide(p.Flow) {
					t.Errorf("view %d, port %d: %+v", gen, p.Flow.DstPort, d)
				}
			}
		}
		if len(e.held.keys) != 3 {
			t.Errorf("%d keys, want 3", len(e.held.keys))
		}
	}
	if e.hits != 30 || e.misses != 30 {
		t.Errorf("%d hits and %d misses", e.hits, e.misses)
	}
}
