package nest

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"warren/esp"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// CASES C, RFC 4301, Appendix E: one decision per layer. A nested SA's packets
// are looked up in the policy of the layer outside it: the bundle has each
// layer with its own addresses and selectors, innermost first.
func TestNestedDecisionPerLayer(t *testing.T) {
	w := sampleUp(t)
	b := w.m.View().Decide(web).Bundle
	want := []struct {
		mode esp.Mode
		dst  string
		head int
	}{
		{esp.Transport, "203.0.113.77", 8},
		{esp.Tunnel, "203.0.113.1", 28},
		{esp.Tunnel, "198.51.100.1", 28},
		{esp.Tunnel, "192.0.2.1", 0},
	}
	for i, l := range b.Layers {
		if l.Mode != want[i].mode || l.Dst != ip(want[i].dst) || len(l.Header) != want[i].head {
			t.Errorf("layer %d from inside: %v to %v, header %x", i, l.Mode, l.Dst, l.Header)
		}
	}
	if b.Remote != netip.MustParseAddrPort("192.0.2.1:4500") || b.Local != netip.MustParseAddrPort("192.0.2.100:4500") {
		t.Errorf("underlay %v > %v", b.Local, b.Remote)
	}
	leases := w.m.Chains()[0].Layers
	if b.Lease4 != leases[2].Inner4 || b.Own4 != ip("10.200.0.1") || b.MTU != 1266 {
		t.Errorf("lease %v, own %v, mtu %d", b.Lease4, b.Own4, b.MTU)
	}
	if b.Headroom != 4*16+4*8+4*20 || b.Headroom > packet.Headroom || b.Tailroom != 4*21 {
		t.Errorf("headroom %d, tailroom %d", b.Headroom, b.Tailroom)
	}
}

func headerOf(mode esp.Mode, e *Established) []byte {
	return header(mode, e.Encap, e.local(), e.remote())
}

func TestReadyMadeHeader(t *testing.T) {
	e := Established{Local: ip("10.99.1.2"), Remote: ip("198.51.100.1"), Encap: packet.EncapUDP}
	h := headerOf(esp.Tunnel, &e)
	if f, _, _ := packet.ParseFlow(append(h, make([]byte, 12)...)); h[9] != packet.ProtoUDP || len(h) != 28 || h[6]&0x40 == 0 {
		t.Errorf("header %s, flow %v", hex.EncodeToString(h), f)
	}
	e.Encap = packet.EncapNone
	if h := headerOf(esp.Tunnel, &e); len(h) != 20 || h[9] != packet.ProtoESP {
		t.Errorf("raw ESP: %x", h)
	}
	e.Local, e.Remote = ip("fd99::2"), ip("2001:db8::1")
	if h := headerOf(esp.Tunnel, &e); len(h) != 40 || h[6] != packet.ProtoESP {
		t.Errorf("raw ESP over IPv6: %x", h)
	}
	if h := headerOf(esp.Transport, &e); len(h) != 0 {
		t.Errorf("transport: %x", h)
	}
}

// The bundle for IKE of layer k+1 is tunnels 1 to k, without translation.
func TestPrefixBundles(t *testing.T) {
	w := sampleUp(t)
	for k := range 3 {
		b := w.m.View().Bundle(w.done[k])
		if len(b.Layers) != k+1 || b.Lease4.IsValid() {
			t.Errorf("through layer %d: %d layers, lease %v", k+1, len(b.Layers), b.Lease4)
		}
	}
	if w.m.View().Bundle(sa.Network) != nil || w.m.View().Bundle(w.done[3]) != nil {
		t.Error("a bundle for the network, or inside a transport association")
	}
}

func TestLayerInfo(t *testing.T) {
	w := sampleUp(t)
	for k, id := range w.done {
		l := w.m.View().Layer(id)
		via := sa.Network
		if k > 0 {
			via = w.done[k-1]
		}
		lease := w.nodes[id].result.Inner4
		if l.Via != via || l.Accepted || l.HasChildren != (k < 3) || (k < 3 && !l.IsInner(lease)) {
			t.Errorf("layer %d: %+v", k+1, l)
		}
	}
	last := w.m.View().Layer(w.done[3])
	if got := last.Deliver(w.nodes[w.done[2]].result.Inner4); got != ip("10.200.0.1") {
		t.Errorf("a packet to the lease is delivered to %v", got)
	}
	if w.m.View().Layer(99) != nil {
		t.Error("a layer out of nothing")
	}
}

// A chain whose gateways leased only IPv4 carries no IPv6.
func TestOtherFamilyIsRefused(t *testing.T) {
	tables := policy.NewTables([]policy.TransportRule{{Name: "all", Action: policy.Plain}},
		[]policy.TunnelRule{{Via: "g"}}, policy.Discard)
	r := NewResolver(tables, []Peer{{Name: "g", Addrs: []netip.Addr{ip("192.0.2.1")}, VirtualIP4: true, Suite: testSuite}}, 0)
	w := newWorld(t, Options{Resolver: r, Own4: ip("10.200.0.1"), Own6: ip("fd00::1")})
	w.Need(tcp("10.1.1.1", 80))
	w.settle()
	six := packet.Flow{Src: ip("fd00::1"), Dst: ip("2001:db8::1"), Proto: 6, DstPort: 80}
	if d := w.m.View().Decide(six); d.Verdict != Refused || d.Drop != packet.Selector {
		t.Errorf("IPv6 gets %v %v", d.Verdict, d.Drop)
	}
	foreign := tcp("10.1.1.1", 80)
	foreign.Src = ip("10.77.0.1")
	if d := w.m.View().Decide(foreign); d.Verdict != Refused || d.Drop != packet.Selector {
		t.Errorf("a foreign source gets %v %v", d.Verdict, d.Drop)
	}
	if d := w.m.View().Decide(tcp("10.1.1.1", 80)); d.Verdict != Send {
		t.Errorf("IPv4 gets %v", d.Verdict)
	}
}

// Transport mode right over the network: the packet leaves from the host's own
// address.
func TestTransportOverTheNetwork(t *testing.T) {
	tables := policy.NewTables([]policy.TransportRule{{Name: "r", Match: dst("203.0.113.77"), Action: policy.Protect, Peer: "bob"}}, nil, policy.Discard)
	r := NewResolver(tables, []Peer{{Name: "bob", Addrs: []netip.Addr{ip("203.0.113.77")}, Suite: testSuite}}, 0)
	opt := sampleOptions()
	opt.Resolver = r
	w := newWorld(t, opt)
	w.Need(web)
	w.settle()
	d := w.m.View().Decide(web)
	if d.Verdict != Send || d.Bundle.Translate(ip("10.200.0.1")) != ip("192.0.2.100") || len(d.Bundle.Layers) != 1 {
		t.Fatalf("%+v", d)
	}
	if got := w.m.View().Layer(w.done[0]).Deliver(ip("192.0.2.100")); got != ip("10.200.0.1") {
		t.Errorf("the answer is delivered to %v", got)
	}
}

// A tunnel without a lease carries the TUN's own address if the gateway lets it,
// else its local address.
func TestTunnelWithoutLease(t *testing.T) {
	for _, own := range []bool{true, false} {
		r := gateways(0, "10.0.0.0/8 a")
		opt := sampleOptions()
		opt.Resolver = r
		w := newWorld(t, opt)
		w.Need(tcp("10.1.1.1", 80))
		e := w.answer(w.in(building)[0])
		want := ip("10.200.0.1")
		if !own {
			e.LocalTS, want = []policy.Selector{policy.AddrSelector(ip("192.0.2.100"))}, ip("192.0.2.100")
		}
		w.doneWith(w.in(building)[0], e)
		d := w.m.View().Decide(tcp("10.1.1.1", 80))
		if d.Verdict != Send || d.Bundle.Translate(ip("10.200.0.1")) != want {
			t.Errorf("own address allowed: %t: %v, source %v", own, d.Verdict, d.Bundle.Translate(ip("10.200.0.1")))
		}
	}
}

// CASES C: "MTU of hop n = MTU of hop n-1 minus its worst-case overhead,
// recomputed on rekey to another suite or NAT state".
func TestMTUOfHopN(t *testing.T) {
	gcm := esp.Suite{Cipher: esp.AES128GCM16}
	udp4 := Wrapping{esp.Tunnel, gcm, packet.EncapUDP, false}
	cbc := Wrapping{esp.Tunnel, esp.Suite{Cipher: esp.AES128CBC, Integ: esp.HMACSHA256}, packet.EncapUDP, false}
	tests := map[string]struct {
		outer OuterMTU
		w     Wrapping
		want  InnerMTU
	}{
		"first hop":            {1500, udp4, 1438},
		"second hop":           {1438, udp4, 1374},
		"third hop":            {1374, udp4, 1310},
		"raw ESP":              {1500, Wrapping{esp.Tunnel, gcm, packet.EncapNone, false}, 1446},
		"IPv6":                 {1500, Wrapping{esp.Tunnel, gcm, packet.EncapUDP, true}, 1418},
		"transport":            {1310, Wrapping{esp.Transport, gcm, packet.EncapUDP, false}, 1266},
		"transport over IPv6":  {1500, Wrapping{esp.Transport, gcm, packet.EncapNone, true}, 1466},
		"padding takes a step": {1439, udp4, 1374},
		"and gives it back":    {1442, udp4, 1378},
		"AES-CBC":              {1500, cbc, 1422},
		"a block less":         {1491, cbc, 1406},
		"and more, to a byte":  {1492, cbc, 1422},
		"AES-CBC in transport": {1500, Wrapping{esp.Transport, cbc.Suite, packet.EncapNone, false}, 1458},
		"in the largest suite": {1422, Wrapping{esp.Tunnel, esp.Suite{Cipher: esp.AES256CBC, Integ: esp.HMACSHA512}, packet.EncapUDP, true}, 1310},
		"short ICV":            {1500, Wrapping{esp.Tunnel, esp.Suite{Cipher: esp.AES128GCM8, ESN: true}, packet.EncapUDP, false}, 1446},
		"nothing fits":         {60, udp4, 0},
		"less than a header":   {10, udp4, 0},
	}
	for name, tt := range tests {
		if got := tt.outer.Inner(tt.w); got != tt.want {
			t.Errorf("%s: %d holds %d, want %d", name, tt.outer, got, tt.want)
		}
	}
	w := sampleUp(t)
	e := w.answer(w.done[0])
	e.Encap = packet.EncapNone // NAT state changed
	w.m.Rekeyed(w.done[0], e, w.now)
	w.take()
	if got := w.m.View().Decide(web).Bundle.MTU; got != 1274 {
		t.Errorf("after the rekey: %d", got)
	}
}

// InnerMTU is exact: what it says fits, one byte more does not.
func TestInnerMTUIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Wrapping{
			Mode:  rapid.SampledFrom([]esp.Mode{esp.Tunnel, esp.Transport}).Draw(t, "mode"),
			Suite: rapid.SampledFrom(esp.Suites()).Draw(t, "suite"),
			Encap: rapid.SampledFrom([]packet.Encap{packet.EncapNone, packet.EncapUDP}).Draw(t, "encap"),
			IPv6:  rapid.Bool().Draw(t, "v6"),
		}
		outer := OuterMTU(rapid.IntRange(200, 9000).Draw(t, "outer"))
		inner := int(outer.Inner(w))
		if fits(w, inner) > int(outer) || fits(w, inner+1) <= int(outer) {
			t.Fatalf("%d holds %d: %d and %d bytes", outer, inner, fits(w, inner), fits(w, inner+1))
		}
	})
}

// fits is the size of an inner packet once it is wrapped.
func fits(w Wrapping, inner int) int {
	if w.Mode == esp.Transport {
		inner -= w.header()
	}
	return w.header() + w.udp() + w.Suite.SealedLen(inner)
}

// accept takes in a child that must be welcome.
func (w *world) accept(c AcceptedChild) {
	w.t.Helper()
	if err := w.m.Accept(c); err != nil {
		w.t.Fatalf("%v", err)
	}
}

func child(id sa.Layer, mode esp.Mode, local, remote string) AcceptedChild {
	return AcceptedChild{
		Layer: id, Peer: "carol", Mode: mode, Suite: testSuite, Out: new(sa.Outbound),
		Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: netip.MustParseAddrPort("198.51.100.9:4500"),
		LocalTS: policy.PrefixSelectors(pfx(local)), RemoteTS: policy.PrefixSelectors(pfx(remote)),
	}
}

func TestAcceptedChildren(t *testing.T) {
	w := newWorld(t, sampleOptions())
	toLease := packet.Flow{Src: ip("8.8.8.8"), Dst: ip("10.99.1.7"), Proto: 17, SrcPort: 53, DstPort: 999}
	if d := w.m.View().Decide(toLease); d.Verdict != Discard {
		t.Fatalf("before: %v", d.Verdict)
	}
	w.accept(child(100, esp.Tunnel, "0.0.0.0/0", "10.99.1.7"))
	old := w.m.View()
	w.accept(child(101, esp.Tunnel, "0.0.0.0/0", "10.99.1.7")) // the same client again
	https := child(102, esp.Transport, "192.0.2.1", "10.99.1.7")
	https.LocalTS[0].Proto, https.LocalTS[0].Ports = 6, policy.Ports{Lo: 443, Hi: 443}
	w.accept(https)
	w.accept(child(103, esp.Tunnel, "0.0.0.0/0", "10.99.0.0/16"))
	w.take()

	v := w.m.View()
	answer := packet.Flow{Src: ip("192.0.2.1"), Dst: ip("10.99.1.7"), Proto: 6, SrcPort: 443, DstPort: 5555}
	wide := toLease
	wide.Dst = ip("10.99.2.2")
	for _, tt := range []struct {
		name string
		v    *View
		f    packet.Flow
		want sa.Layer
	}{
		{"old view", old, toLease, 100},
		{"newest first", v, toLease, 101},
		{"transport by its selectors", v, answer, 102},
		{"shorter prefix", v, wide, 103},
	} {
		d := tt.v.Decide(tt.f)
		if d.Verdict != Send || d.Bundle.Layers[0].Link != tt.v.Layer(tt.want).Link {
			t.Errorf("%s: %v", tt.name, d.Verdict)
		}
	}
	w.accept(child(101, esp.Tunnel, "0.0.0.0/0", "10.99.1.7")) // rekey
	if w.m.View().Layer(101).Link != v.Layer(101).Link || w.m.Accepted()[1].Rekeys != 1 {
		t.Error("a rekey lost the counters")
	}
	moved := netip.MustParseAddrPort("198.51.100.10:1234")
	w.m.PathChanged(101, netip.MustParseAddrPort("192.0.2.1:4500"), moved, packet.EncapUDP, w.now)
	if got := w.m.View().Decide(toLease).Bundle.Remote; got != moved {
		t.Errorf("after the move ESP goes to %v", got)
	}
	for id := sa.Layer(100); id <= 103; id++ {
		w.m.Forget(id)
	}
	w.m.Forget(103)
	if d := w.m.View().Decide(toLease); d.Verdict != Discard || len(w.m.Accepted()) != 0 {
		t.Errorf("after: %v", d.Verdict)
	}
}

// A narrow path to a peer that opened a session lowers what is sent to it, also
// after a rekey, and no longer when it has moved (RFC 4301, Section 8.2).
func TestPathMTUOfAcceptedChild(t *testing.T) {
	w := newWorld(t, sampleOptions())
	c := child(100, esp.Tunnel, "0.0.0.0/0", "10.99.1.7")
	w.accept(c)
	toLease := packet.Flow{Src: ip("8.8.8.8"), Dst: ip("10.99.1.7"), Proto: 17, SrcPort: 53, DstPort: 999}
	wants := func(when string, want InnerMTU) {
		t.Helper()
		if got := w.m.View().Decide(toLease).Bundle.MTU; got != want {
			t.Errorf("%s: mtu %d, want %d", when, got, want)
		}
	}
	wide, old := w.m.View(), w.m.View().Decide(toLease).Bundle.MTU
	w.m.PathMTU(5, c.Remote.Addr(), 1000, w.now)
	wants("a report from inside a layer", old)
	w.m.PathMTU(sa.Network, ip("198.51.100.8"), 1000, w.now)
	wants("a report about another peer", old)
	w.m.PathMTU(sa.Network, c.Remote.Addr(), 1400, w.now)
	wants("a report", old-100)
	if got := wide.Decide(toLease).Bundle.MTU; got != old {
		t.Errorf("the old view changed to %d", got)
	}
	w.m.PathMTU(sa.Network, c.Remote.Addr(), 1450, w.now)
	wants("a higher report", old-100)
	w.m.PathMTU(sa.Network, c.Remote.Addr(), 68, w.now)
	wants("a forged report", OuterMTU(576).Inner(Wrapping{esp.Tunnel, testSuite, packet.EncapNone, false}))
	w.accept(c)
	wants("a rekey", OuterMTU(576).Inner(Wrapping{esp.Tunnel, testSuite, packet.EncapNone, false}))
	w.m.PathChanged(100, c.Local, netip.MustParseAddrPort("198.51.100.10:1234"), packet.EncapNone, w.now)
	wants("a move", old)
}

// TestAcceptedTableAgainstList holds the trie to a walk over all children.
func TestAcceptedTableAgainstList(t *testing.T) {
	prefixes := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.1/32", "10.1.1.2/32", "0.0.0.0/0"}
	rapid.Check(t, func(t *rapid.T) {
		var table acceptedTable
		var list []*accepted // oldest layer first
		for range rapid.IntRange(1, 20).Draw(t, "ops") {
			id := sa.Layer(rapid.IntRange(1, 6).Draw(t, "layer"))
			for i, c := range list {
				if c.Layer == id {
					list = append(list[:i:i], list[i+1:]...)
					break
				}
			}
			if rapid.Bool().Draw(t, "remove") {
				table = table.without(id)
				continue
			}
			remote := rapid.SampledFrom(prefixes).Draw(t, "remote")
			local := rapid.SampledFrom([]string{"0.0.0.0/0", "10.200.0.1/32"}).Draw(t, "local")
			c := newAccepted(child(id, esp.Tunnel, local, remote), nil, carrier{mtu: 1500})
			table, list = table.with(c), append(list, c)
			slices.SortFunc(list, func(a, b *accepted) int { return int(a.Layer) - int(b.Layer) })
		}
		f := tcp(rapid.SampledFrom([]string{"10.1.1.1", "10.1.1.3", "10.1.9.9", "10.9.9.9", "11.0.0.1"}).Draw(t, "to"), 80)
		f.Src = ip(rapid.SampledFrom([]string{"10.200.0.1", "8.8.8.8"}).Draw(t, "from"))
		var want *accepted
		bits, odd := -1, rapid.Bool().Draw(t, "odd ones only")
		suits := func(c *accepted) bool { return !odd || c.Layer%2 == 1 }
		for _, c := range list {
			p := policy.Prefixes(c.RemoteTS)[0]
			if p.Contains(f.Dst) && p.Bits() >= bits && allows(c.LocalTS, c.RemoteTS, f) && suits(c) {
				want, bits = c, p.Bits()
			}
		}
		if got := table.find(f, suits); got != want {
			t.Fatalf("got %p, want %p", got, want)
		}
	})
}

// Decide allocates on a cold flow that needs resolution, and workers cache the
// answer. What it does for accepted children it does without.
func TestDecideAcceptedAllocatesNothing(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.accept(child(100, esp.Tunnel, "0.0.0.0/0", "10.99.1.7"))
	v := w.m.View()
	f := packet.Flow{Src: ip("8.8.8.8"), Dst: ip("10.99.1.7"), Proto: 17}
	layer := sa.Layer(100)
	if n := testing.AllocsPerRun(100, func() { v.Decide(f); v.Layer(layer); v.Bundle(layer) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
