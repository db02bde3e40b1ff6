package dataplane

import (
	"bytes"
	"net/netip"
	"testing"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/sa"
)

// accepts makes a side the responder: its peer opened all layers, and the inner
// addresses are where it listens.
func (s *side) accepts() {
	for id, info := range s.view.layers {
		s.view.listens = append(s.view.listens, info.Inner...)
		info.Accepted, info.Inner = true, nil
		info.HasChildren = int(id) < len(s.view.layers)
	}
	s.dp.Publish(s.view)
}

// TestResponderOpensAllLayers is TestNests with a responder at one end.
func TestResponderOpensAllLayers(t *testing.T) {
	for name, specs := range nests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, specs...)
			p.b.accepts()
			p.start()
			a, b := p.ends(false)
			mtu := int(p.a.bundle.MTU)
			for i, size := range []int{60, 512, mtu - 1, mtu} {
				exchange(t, p.a, p.b, datagram(a, b, size, byte(i)))
				exchange(t, p.b, p.a, datagram(b, a, size, byte(i+9)))
			}
			for _, s := range []*side{p.a, p.b} {
				s.settled(func(c Counters) bool { return c.ToTUN == 4 && c.ToNetwork == 4 })
			}
		})
	}
}

// IKE to where a responder listens is for the engine, with the layer as the way it
// came; so are reports that a path inside is narrow.
func TestResponderTakesIKEInside(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	p.b.accepts()
	sg3 := addr(3, 2, false)
	p.b.view.listens = append(p.b.view.listens, sg3)
	p.start()
	from := addr(99, 1, false)
	for _, m := range []struct {
		local, remote uint16
		natt          bool
		data          string
	}{{500, 500, false, "init"}, {4500, 4500, true, "auth"}} {
		local, remote := netip.AddrPortFrom(from, m.local), netip.AddrPortFrom(sg3, m.remote)
		if err := p.a.dp.SendIKE(p.a.bundle, local, remote, m.natt, []byte(m.data)); err != nil {
			t.Fatal(err)
		}
		<-p.b.h.done
		got := p.b.h.ike[len(p.b.h.ike)-1]
		if got.Via != 2 || got.Local != remote || got.Remote != local || got.NATT != m.natt || string(got.Data) != m.data {
			t.Errorf("got %+v", got)
		}
	}
	quote := datagram(sg3, from, 100, 1)
	quote[9] = packet.ProtoESP
	p.a.dev.Inject(icmpTooBig(quote, 1111, sg3))
	<-p.b.h.done
	if len(p.b.h.paths) != 1 || p.b.h.paths[0] != 1111 {
		t.Errorf("reported path MTUs: %v", p.b.h.paths)
	}
	p.b.settled(func(c Counters) bool { return c.ToControl == 3 && c.ToTUN == 0 })
}

// icmpTooBig is a router's report about quote, sent to the address to.
func icmpTooBig(quote []byte, mtu int, to netip.Addr) []byte {
	b := packet.ICMPTooBig(make([]byte, 1280), quote, mtu, addr(99, 1, false))
	packet.ReplaceAddr(b, false, to)
	return b
}

// TestResponderLeavesToTUN: what is not for this node as the end of a layer is
// forwarded or delivered as it is.
func TestResponderLeavesToTUN(t *testing.T) {
	here, elsewhere := addr(3, 2, false), addr(4, 2, false)
	to := func(dst netip.Addr, proto uint8, port uint16) []byte {
		d := datagram(addr(99, 1, false), dst, 120, 7)
		d[22], d[23] = byte(port>>8), byte(port)
		if proto != packet.ProtoUDP {
			d[9] = proto
		}
		d[10], d[11] = 0, 0
		sum := packet.Checksum(d[:20], 0)
		d[10], d[11] = byte(sum>>8), byte(sum)
		return d
	}
	tests := map[string]struct {
		pkt  []byte
		mode esp.Mode
	}{
		"ESP to another":           {to(elsewhere, packet.ProtoESP, 0), esp.Tunnel},
		"ESP in UDP to another":    {to(elsewhere, packet.ProtoUDP, 4500), esp.Tunnel},
		"IKE to another":           {to(elsewhere, packet.ProtoUDP, 500), esp.Tunnel},
		"another port here":        {to(here, packet.ProtoUDP, 4501), esp.Tunnel},
		"TCP here":                 {to(here, packet.ProtoTCP, 4500), esp.Tunnel},
		"IKE inside transport":     {to(here, packet.ProtoUDP, 500), esp.Transport},
		"a ping here":              {to(here, packet.ProtoICMP, 0), esp.Tunnel},
		"ESP from UDP source 4500": {func() []byte { d := to(here, packet.ProtoUDP, 77); d[20], d[21] = 4500>>8, 4500&0xff; return d }(), esp.Tunnel},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nests["two tunnels"]...)
			p.b.accepts()
			p.b.view.listens = append(p.b.view.listens, here)
			p.b.view.layers[2].Mode = tt.mode
			p.start()
			p.a.dev.Inject(tt.pkt)
			if got := p.b.written(); !bytes.Equal(got, tt.pkt) {
				t.Errorf("came out as % x, want % x", got, tt.pkt)
			}
		})
	}
}

// TestResponderRefuses: the next layer at a responder is held to what the first one
// is, and each packet is counted once.
func TestResponderRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(p *pair)
		pkt    []byte // nil: one that is good
		want   packet.Drop
	}{
		"an inner SA of another parent": {func(p *pair) {
			p.swap(2, func(q *sa.Params) { q.Via = 7 })
		}, nil, packet.WrongLayer},
		"an inner SA of the network": {func(p *pair) {
			p.swap(2, func(q *sa.Params) { q.Via = sa.Network })
		}, nil, packet.WrongLayer},
		"an inner SA that is gone": {func(p *pair) {
			p.b.sad.Remove(p.a.bundle.Layers[0].Link.Out.Load().SPI())
		}, nil, packet.NoSA},
		"an inner layer that is gone": {func(p *pair) { delete(p.b.view.layers, 2) }, nil, packet.ChainDown},
		"a forged inner packet": {func(p *pair) {
			p.swap(2, func(q *sa.Params) { q.Key[0] ^= 1 })
		}, nil, packet.AuthFailed},
		"an outer peer that speaks for an inner one": {func(p *pair) {
			p.b.view.expects = func(packet.Flow) sa.Layer { return 3 }
			p.b.view.layers[2].HasChildren = true
		}, nil, packet.WrongLayer},
		"a fragment": {func(*pair) {}, fragmentTo(addr(3, 2, false)), packet.Fragment},
		"ESP in UDP that is cut short": {func(*pair) {}, func() []byte {
			d := datagram(addr(99, 1, false), addr(3, 2, false), 60, 1)
			d[22], d[23], d[25] = 4500>>8, 4500&0xff, 200
			return d
		}(), packet.Truncated},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nests["two tunnels"]...)
			p.b.accepts()
			p.b.view.listens = append(p.b.view.listens, addr(3, 2, false))
			tt.change(p)
			p.start()
			a, b := p.ends(false)
			if tt.pkt == nil {
				tt.pkt = datagram(a, b, 200, 1)
			}
			p.a.dev.Inject(tt.pkt)
			c := p.b.settled(func(c Counters) bool { return c.FromNetwork == 1 })
			if c.In[tt.want] != 1 || c.ToTUN+c.ToControl != 0 {
				t.Errorf("want one %v; %d delivered, drops %v", tt.want, c.ToTUN, p.b.dp.Drops())
			}
		})
	}
}

func fragmentTo(dst netip.Addr) []byte {
	d := datagram(addr(99, 1, false), dst, 120, 1)
	d[22], d[23] = 4500>>8, 4500&0xff
	d[6], d[7] = 0x20, 0
	d[10], d[11] = 0, 0
	sum := packet.Checksum(d[:20], 0)
	d[10], d[11] = byte(sum>>8), byte(sum)
	return d
}

// swap replaces b's inbound SA of a layer by one that is a little different.
func (p *pair) swap(layer int, change func(*sa.Params)) {
	spi := p.a.bundle.Layers[len(p.specs)-layer].Link.Out.Load().SPI()
	q := withKey(p.b.sad.Lookup(spi).Params(), 1, layer-1)
	change(&q)
	in, err := sa.NewInbound(q)
	if err != nil {
		p.a.t.Fatal(err)
	}
	p.b.sad.Remove(spi)
	if err := p.b.sad.Install(in); err != nil {
		p.a.t.Fatal(err)
	}
}

// TestResponderDepth: one tunnel more than allowed is one too many here, too.
func TestResponderDepth(t *testing.T) {
	tunnel := layerSpec{esp.Tunnel, packet.EncapNone, false}
	transport := layerSpec{esp.Transport, packet.EncapNone, false}
	tests := map[string]struct {
		specs []layerSpec
		want  packet.Drop
	}{
		"as deep as allowed":    {[]layerSpec{tunnel, tunnel}, packet.Live},
		"and a transport layer": {[]layerSpec{tunnel, tunnel, transport}, packet.Live},
		"one tunnel more":       {[]layerSpec{tunnel, tunnel, tunnel}, packet.Depth},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, tt.specs...)
			p.b.dp.opt.Limits.Depth = 2
			p.b.accepts()
			p.start()
			a, b := p.ends(false)
			p.a.dev.Inject(datagram(a, b, 200, 1))
			c := p.b.settled(func(c Counters) bool { return c.FromNetwork == 1 })
			if got := c.ToTUN == 1; got != (tt.want == packet.Live) || !got && c.In[tt.want] != 1 {
				t.Errorf("delivered: %t; drops %v", got, p.b.dp.Drops())
			}
		})
	}
}

// An expectation that was made for one layer does not serve another.
func TestExpectationIsOfALayer(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	v := &published{perLayer{p.b.view}, 1}
	o := newOpener(p.b.dp)
	f := packet.Flow{Src: addr(1, 1, false), Dst: addr(1, 2, false), Proto: 17}
	for _, from := range []sa.Layer{1, 2, 1, 1, 2} {
		if got := o.expected(v, f, from); got != from+10 {
			t.Errorf("out of layer %d: layer %d expected, want %d", from, got, from+10)
		}
	}
}

type perLayer struct{ View }

func (perLayer) Expects(_ packet.Flow, from sa.Layer) sa.Layer { return from + 10 }

var _ View = (*nest.View)(nil)
