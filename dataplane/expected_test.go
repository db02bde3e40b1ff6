package dataplane

import (
	"net/netip"
	"testing"

	"warren/packet"
	"warren/sa"
)

// TestOuterGatewayCannotSpeakForInnerOnes lets the gateway of layer 1 send what
// policy reaches through layer 2 only (RFC 4301, Section 5.2). Both SAs have
// selectors for everything.
func TestOuterGatewayCannotSpeakForInnerOnes(t *testing.T) {
	own, lease, lease1 := addr(200, 1, false), addr(99, 1, false), addr(98, 1, false)
	guarded, plain, router := addr(77, 2, false), addr(66, 2, false), addr(55, 2, false)
	report := func(lease, about netip.Addr) []byte {
		quote := datagram(lease, about, 100, 1)
		return packet.ICMPUnreachable(make([]byte, 1280), quote, packet.UnreachPort, router)
	}
	tests := map[string]struct {
		outer bool // sealed by the gateway of layer 1 alone
		pkt   []byte
		pass  bool
	}{
		"the guarded host, all layers":           {false, datagram(guarded, lease, 100, 1), true},
		"the guarded host, by layer 1":           {true, datagram(guarded, lease1, 100, 1), false},
		"a host beyond layer 1, by layer 1":      {true, datagram(plain, lease1, 100, 1), true},
		"a host beyond layer 1, all layers":      {false, datagram(plain, lease, 100, 1), false},
		"nobody's host":                          {true, datagram(router, lease1, 100, 1), false},
		"error about guarded traffic":            {false, report(lease, guarded), true},
		"error about guarded traffic by layer 1": {true, report(lease1, guarded), false},
		"error about plain traffic by layer 1":   {true, report(lease1, plain), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nests["two tunnels"]...)
			for id, leased := range map[sa.Layer]netip.Addr{1: lease1, 2: lease} {
				info := p.a.view.layers[id]
				info.Own4, info.Lease4 = own, leased
			}
			p.a.view.expects = func(f packet.Flow) sa.Layer {
				switch {
				case f.Src == own && f.Dst == guarded && f.SrcPort+f.DstPort == 3000:
					return 2
				case f.Src == own && f.Dst == plain:
					return 1
				}
				return sa.Network
			}
			if tt.outer {
				one := *p.b.bundle
				one.Layers = one.Layers[1:]
				p.b.view.decision.Bundle = &one
			}
			p.start()
			p.b.dev.Inject(tt.pkt)
			c := p.a.settled(func(c Counters) bool { return c.FromNetwork == 1 })
			if got := c.ToTUN == 1; got != tt.pass || !tt.pass && c.In[packet.WrongLayer] != 1 {
				t.Errorf("delivered: %t, want %t; drops %v", got, tt.pass, c.In)
			}
		})
	}
}
