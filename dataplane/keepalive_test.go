package dataplane

import (
	"net/netip"
	"testing"

	"warren/packet"
	"warren/underlay/memnet"
)

// TestKeepalive sends one on the network and one inside a tunnel: the far side
// drops both as what they are.
func TestKeepalive(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	var wire []memnet.Datagram
	p.net.Hook = func(d memnet.Datagram) []memnet.Datagram {
		wire = append(wire, d)
		return []memnet.Datagram{d}
	}
	p.b.dp.Start()
	if err := p.a.dp.Keepalive(nil, p.a.bundle.Local, p.a.bundle.Remote); err != nil {
		t.Error(err)
	}
	if len(wire) != 1 || string(wire[0].Data) != "\xff" || wire[0].To.Port() != 4500 || wire[0].From.Port() != 4500 {
		t.Errorf("on the wire: %v", wire)
	}
	outer := *p.a.bundle
	outer.Layers = outer.Layers[1:]
	local, remote := netip.AddrPortFrom(addr(2, 1, false), 4500), netip.AddrPortFrom(addr(2, 2, false), 4500)
	if err := p.a.dp.Keepalive(&outer, local, remote); err != nil {
		t.Error(err)
	}
	c := p.b.settled(func(c Counters) bool { return c.FromNetwork == 2 })
	sent := p.a.dp.Counters()
	if c.In[packet.Keepalive] != 2 || sent.ToNetwork != 2 || !sent.Balanced() {
		t.Errorf("drops %v", p.b.dp.Drops())
	}
}

// TestEitherEncapsulation: raw ESP for an SA that negotiated UDP is accepted,
// and the other way round (RFC 7296, Section 2.23).
func TestEitherEncapsulation(t *testing.T) {
	for name, port := range map[string]uint16{"udp tunnel": 0, "raw tunnel": 4500} {
		p := newPair(t, nests[name]...)
		a, b := p.ends(false)
		d := p.capture(t, datagram(a, b, 100, 1))
		d.From, d.To = netip.AddrPortFrom(d.From.Addr(), port), netip.AddrPortFrom(d.To.Addr(), port)
		p.b.dp.Start()
		p.net.Send(d)
		p.b.settled(func(c Counters) bool { return c.ToTUN == 1 })
	}
}
