package nest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"warren/esp"
	"warren/packet"
	"warren/sa"
)

// inner is a child that came through another layer: ESP in UDP between addresses
// of that layer, for the lease.
func inner(id, via sa.Layer, lease string) AcceptedChild {
	c := child(id, esp.Tunnel, "0.0.0.0/0", lease)
	c.Via, c.Encap = via, packet.EncapUDP
	c.Local = netip.MustParseAddrPort("198.51.100.1:4500")
	c.Remote = netip.MustParseAddrPort("10.99.1.7:4500")
	return c
}

// nestedWorld has three children inside one another, layers 100 to 102.
func nestedWorld(t *testing.T) *world {
	w := newWorld(t, sampleOptions())
	w.accept(child(100, esp.Tunnel, "0.0.0.0/0", "10.99.1.7"))
	w.accept(inner(101, 100, "10.99.2.7"))
	w.accept(inner(102, 101, "10.99.3.7"))
	return w
}

func to(dst string) packet.Flow {
	return packet.Flow{Src: ip("203.0.113.77"), Dst: ip(dst), Proto: 17, SrcPort: 53, DstPort: 999}
}

// links of a bundle, by the layers that have them.
func layersOf(v *View, b *Bundle, ids ...sa.Layer) bool {
	if b == nil || len(b.Layers) != len(ids) {
		return false
	}
	for i, id := range ids {
		if b.Layers[i].Link != v.Layer(id).Link {
			return false
		}
	}
	return true
}

// What goes to the innermost peer is sealed for all layers at once, with a header
// for each but the outermost, and room for all.
func TestAcceptedInsideAccepted(t *testing.T) {
	w := nestedWorld(t)
	v := w.m.View()
	for dst, want := range map[string][]sa.Layer{"10.99.1.7": {100}, "10.99.2.7": {101, 100}, "10.99.3.7": {102, 101, 100}} {
		d := v.Decide(to(dst))
		if d.Verdict != Send || !layersOf(v, d.Bundle, want...) {
			t.Errorf("%s: %v by %+v, want layers %v", dst, d.Verdict, d.Bundle, want)
		}
		if !layersOf(v, v.Bundle(want[0]), want...) {
			t.Errorf("IKE inside layer %d does not go by layers %v", want[0], want)
		}
	}
	b := v.Decide(to("10.99.3.7")).Bundle
	udp := Wrapping{esp.Tunnel, testSuite, packet.EncapUDP, false}
	want := DefaultPathMTU.Inner(Wrapping{esp.Tunnel, testSuite, packet.EncapNone, false}).Outer().Inner(udp).Outer().Inner(udp)
	if b.MTU != want || b.Headroom != 3*(20+8+8)+2*8 || b.Tailroom != 3*21 {
		t.Errorf("mtu %d, headroom %d, tailroom %d; want mtu %d", b.MTU, b.Headroom, b.Tailroom, want)
	}
	if b.Encap != packet.EncapNone || b.Remote.Addr() != ip("198.51.100.9") || len(b.Layers[2].Header) != 0 {
		t.Errorf("the outermost goes to %v %v with header %x", b.Remote, b.Encap, b.Layers[2].Header)
	}
	if h := b.Layers[0].Header; len(h) != 28 || netip.AddrFrom4([4]byte(h[12:16])) != ip("198.51.100.1") || h[9] != packet.ProtoUDP {
		t.Errorf("header of the innermost: %x", h)
	}
	for id, depth := range map[sa.Layer]int{100: 1, 101: 2, 102: 3} {
		l := v.Layer(id)
		if l.Depth != depth || l.HasChildren != (depth < 3) || (l.Via == sa.Network) != (depth == 1) {
			t.Errorf("layer %d: %+v", id, l)
		}
	}
	for _, a := range w.m.Accepted() {
		if a.Depth != int(a.Layer)-99 {
			t.Errorf("status says that layer %d is at depth %d", a.Layer, a.Depth)
		}
	}
}

// An outer layer that changes changes what is inside it; its rekey is one store.
func TestInnerFollowsOuter(t *testing.T) {
	w := nestedWorld(t)
	deepest := func() *Bundle { return w.m.View().Decide(to("10.99.3.7")).Bundle }
	before := deepest()
	link := w.m.View().Layer(100).Link
	next := child(100, esp.Tunnel, "0.0.0.0/0", "10.99.1.7")
	w.accept(next)
	if b := deepest(); b.Layers[2].Link != link || link.Out.Load() != next.Out || b.MTU != before.MTU {
		t.Error("after a rekey of the outermost its packets do not go by the new SA")
	}
	if d := w.m.View().Decide(to("10.99.1.7")); len(d.Bundle.Layers) != 1 {
		t.Error("the rekey moved packets of layer 1 elsewhere")
	}
	moved := netip.MustParseAddrPort("198.51.100.10:1234")
	w.m.PathChanged(100, next.Local, moved, packet.EncapUDP, w.now)
	if b := deepest(); b.Remote != moved || b.Encap != packet.EncapUDP || b.MTU >= before.MTU {
		t.Errorf("after a move of the outermost: to %v, mtu %d, was %d", b.Remote, b.MTU, before.MTU)
	}
	if before.Remote == moved {
		t.Error("an old bundle changed")
	}
	at := deepest().MTU
	w.m.PathMTU(sa.Network, moved.Addr(), 1400, w.now)
	if got := deepest().MTU; got > at-96 {
		t.Errorf("a narrow path outside: mtu %d, was %d", got, at)
	}
	at = deepest().MTU
	w.m.PathMTU(101, ip("10.99.1.7"), 1000, w.now) // inside 101 goes layer 102
	if got := deepest().MTU; got >= at || w.m.View().Decide(to("10.99.2.7")).Bundle.MTU < at {
		t.Errorf("a narrow path inside layer 101: mtu %d, was %d", got, at)
	}
	for _, a := range w.m.Accepted() {
		if want := uint64(0); a.Layer == 100 {
			if a.Rekeys != 1 {
				t.Errorf("layer 100 counts %d rekeys", a.Rekeys)
			}
		} else if a.Rekeys != want {
			t.Errorf("layer %d counts %d rekeys, and had none", a.Layer, a.Rekeys)
		}
	}
}

// An outer layer takes what is inside it along.
func TestForgetTakesInnerAlong(t *testing.T) {
	for id, left := range map[sa.Layer][]sa.Layer{100: nil, 101: {100}, 102: {100, 101}} {
		w := nestedWorld(t)
		w.m.Forget(id)
		var got []sa.Layer
		for _, a := range w.m.Accepted() {
			got = append(got, a.Layer)
		}
		if !slices.Equal(got, left) {
			t.Errorf("without layer %d there are %v, want %v", id, got, left)
		}
		for _, l := range left {
			if has := w.m.View().Layer(l).HasChildren; has != (l == 100 && id == 102) {
				t.Errorf("without layer %d, layer %d has children: %t", id, l, has)
			}
		}
		w.m.Forget(102)
		w.m.Forget(101)
		w.m.Forget(100)
		if len(w.m.inside) != 0 || w.m.View().Decide(to("10.99.3.7")).Verdict == Send {
			t.Errorf("left: %v", w.m.inside)
		}
	}
}

// Nothing is inside what is not there, or carries no packets for others.
func TestAcceptNeedsCarrier(t *testing.T) {
	w := nestedWorld(t)
	w.accept(func() AcceptedChild { c := inner(103, 100, "10.99.1.7"); c.Mode = esp.Transport; return c }())
	for _, via := range []sa.Layer{55, 103} {
		err := w.m.Accept(inner(104, via, "10.99.4.7"))
		if err == nil || !strings.Contains(err.Error(), "is gone") || w.m.View().Layer(104) != nil {
			t.Errorf("through layer %d: %v", via, err)
		}
	}
	if w.m.View().Bundle(103) != nil {
		t.Error("IKE would go through a transport association")
	}
}

// The peer of an outer layer cannot speak for what is inside: neither with an
// address that an inner tunnel has, nor for flows of an inner association.
func TestExpectsOfAccepted(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.accept(child(100, esp.Tunnel, "0.0.0.0/0", "10.99.1.7"))
	if got := w.m.View().Expects(to("10.99.1.7"), 100); got != 100 {
		t.Errorf("with nothing inside: layer %d", got)
	}
	w.accept(child(101, esp.Tunnel, "0.0.0.0/0", "10.99.1.7")) // another of the same peer
	same := inner(102, 100, "10.99.1.7")                       // without a lease of its own
	same.RemoteTS[0].Proto = packet.ProtoUDP
	w.accept(same)
	w.accept(inner(103, 102, "10.99.3.7"))
	v := w.m.View()
	icmp := to("10.99.1.7")
	icmp.Proto = packet.ProtoICMP
	tests := map[string]struct {
		flow       packet.Flow
		from, want sa.Layer
	}{
		"what the inner one protects":                {to("10.99.1.7"), 100, 102},
		"what it does not":                           {icmp, 100, 100},
		"the inner one itself":                       {to("10.99.1.7"), 102, 102},
		"a session beside it":                        {to("10.99.1.7"), 101, 101},
		"through two layers":                         {to("10.99.3.7"), 100, 103},
		"through one":                                {to("10.99.3.7"), 102, 103},
		"the innermost":                              {to("10.99.3.7"), 103, 103},
		"the innermost's, out of the session beside": {to("10.99.3.7"), 101, 101}, // its selectors do not allow that
	}
	for name, tt := range tests {
		if got := v.Expects(tt.flow, tt.from); got != tt.want {
			t.Errorf("%s: layer %d, want %d", name, got, tt.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { v.Expects(to("10.99.3.7"), 100); v.Listens(icmp.Dst) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A session that a peer opens through a tunnel of this node's own goes back by it.
func TestAcceptedInsideOwnTunnel(t *testing.T) {
	w := sampleUp(t)
	sg2 := w.done[1]
	c := inner(200, sg2, "10.99.7.7")
	w.accept(c)
	v := w.m.View()
	b := v.Decide(to("10.99.7.7")).Bundle
	outside := v.Bundle(sg2)
	if !layersOf(v, b, 200, sg2, w.done[0]) || b.Remote != outside.Remote || b.MTU != outside.MTU.Outer().Inner(c.wrapping()) {
		t.Errorf("it goes by %+v", b)
	}
	if got := v.Expects(to("10.99.7.7"), sg2); got != 200 {
		t.Errorf("what it protects may come out of layer %d", got)
	}
	e := w.answer(w.done[0])
	e.Encap = packet.EncapNone // a rekey that found no NAT any more
	w.m.Rekeyed(w.done[0], e, w.now)
	w.take()
	if got := w.m.View().Decide(to("10.99.7.7")).Bundle; got.MTU <= b.MTU || got.Encap != packet.EncapNone {
		t.Errorf("after the rekey of the outermost: mtu %d, was %d", got.MTU, b.MTU)
	}
	if w.m.publish(); w.m.dirty {
		t.Error("the view is never clean again")
	}
}

func TestListen(t *testing.T) {
	w := newWorld(t, sampleOptions())
	a, b := ip("192.0.2.1"), ip("198.51.100.1")
	w.m.Listen(map[netip.Addr]bool{a: true})
	old := w.m.View()
	w.m.Listen(map[netip.Addr]bool{a: true})
	if w.m.View() != old {
		t.Error("a new view without need")
	}
	w.m.Listen(map[netip.Addr]bool{b: true})
	if v := w.m.View(); !old.Listens(a) || old.Listens(b) || v.Listens(a) || !v.Listens(b) || new(View).Listens(a) {
		t.Error("the view does not know where this node listens")
	}
}

// A child is found by the newest layer, whatever was rekeyed last: with one
// address for all layers that is the innermost.
func TestRekeyKeepsTheOrder(t *testing.T) {
	w := newWorld(t, sampleOptions())
	outer, in := child(100, esp.Tunnel, "0.0.0.0/0", "10.99.1.7"), inner(101, 100, "10.99.1.7")
	w.accept(outer)
	w.accept(in)
	w.accept(outer)
	if v := w.m.View(); !layersOf(v, v.Decide(to("10.99.1.7")).Bundle, 101, 100) {
		t.Error("after a rekey of the outer layer its inner one is left out")
	}
}
