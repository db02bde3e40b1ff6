package dataplane

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"warren/esp"
	"warren/packet"
	"warren/underlay/memnet"
)

var nests = map[string][]layerSpec{
	"udp tunnel":                         {{esp.Tunnel, packet.EncapUDP, false}},
	"raw tunnel":                         {{esp.Tunnel, packet.EncapNone, false}},
	"raw tunnel over IPv6":               {{esp.Tunnel, packet.EncapNone, true}},
	"raw transport":                      {{esp.Transport, packet.EncapNone, false}},
	"udp transport":                      {{esp.Transport, packet.EncapUDP, true}},
	"two tunnels":                        {{esp.Tunnel, packet.EncapUDP, false}, {esp.Tunnel, packet.EncapNone, false}},
	"tunnel and transport":               {{esp.Tunnel, packet.EncapUDP, false}, {esp.Transport, packet.EncapNone, false}},
	"tunnel and udp transport over IPv6": {{esp.Tunnel, packet.EncapUDP, false}, {esp.Transport, packet.EncapUDP, true}},
	"three, families mixed": {
		{esp.Tunnel, packet.EncapUDP, true}, {esp.Tunnel, packet.EncapUDP, false}, {esp.Tunnel, packet.EncapUDP, true},
	},
	"three tunnels and transport": {
		{esp.Tunnel, packet.EncapUDP, false}, {esp.Tunnel, packet.EncapUDP, true}, {esp.Tunnel, packet.EncapNone, false},
		{esp.Transport, packet.EncapNone, false},
	},
	"four tunnels": {
		{esp.Tunnel, packet.EncapNone, false}, {esp.Tunnel, packet.EncapNone, false},
		{esp.Tunnel, packet.EncapUDP, false}, {esp.Tunnel, packet.EncapUDP, false},
	},
}

// TestNests sends packets of both families both ways through each nest, small
// and as large as its MTU.
func TestNests(t *testing.T) {
	for name, specs := range nests {
		for i, v6 := range []bool{false, true, false, true} {
			workers := 1 + i/2*2
			t.Run(fmt.Sprintf("%s, inner IPv6 %v, %d workers", name, v6, workers), func(t *testing.T) {
				p := newWorkers(t, workers, specs...)
				p.start()
				a, b := p.ends(v6)
				mtu := int(p.a.bundle.MTU)
				for i, size := range []int{60, 61, 512, mtu - 1, mtu} {
					exchange(t, p.a, p.b, datagram(a, b, size, byte(i)))
					exchange(t, p.b, p.a, datagram(b, a, size, byte(i+9)))
				}
				for _, s := range []*side{p.a, p.b} {
					c := s.settled(func(c Counters) bool { return c.ToTUN == 5 && c.ToNetwork == 5 })
					if s.bundle.Layers[0].Link.PacketsOut.Load() != 5 {
						t.Errorf("link counts %d packets out, want 5; %+v", s.bundle.Layers[0].Link.PacketsOut.Load(), c)
					}
				}
			})
		}
	}
}

// TestDeepestNest: as many tunnels as allowed and a transport association in
// them, with the largest headers, IKE to its peer included.
func TestDeepestNest(t *testing.T) {
	var specs []layerSpec
	var suites []esp.Suite
	for range 8 {
		specs = append(specs, layerSpec{esp.Tunnel, packet.EncapUDP, true})
		suites = append(suites, largest)
	}
	p := newMixed(t, 3, append(suites, largest), append(specs, layerSpec{esp.Transport, packet.EncapUDP, true})...)
	p.start()
	a, b := p.ends(true)
	exchange(t, p.a, p.b, datagram(a, b, int(p.a.bundle.MTU), 1))
	tunnels := *p.a.bundle
	tunnels.Layers = tunnels.Layers[1:]
	p.b.view.layers[8].Inner = []netip.Addr{b}
	if err := p.a.dp.SendIKE(&tunnels, netip.AddrPortFrom(a, 4500), netip.AddrPortFrom(b, 4500), true, []byte("ike")); err != nil {
		t.Fatal(err)
	}
	<-p.b.h.done
}

// exchange sends pkt from one side and wants it to come out of the other. The
// TTL, DF and identification of a packet in transport mode are not kept.
func exchange(t *testing.T, from, to *side, pkt []byte) {
	t.Helper()
	from.dev.Inject(pkt)
	got := to.written()
	fw, iw, _ := packet.ParseFlow(pkt)
	fg, ig, d := packet.ParseFlow(got)
	if d != packet.Live || fw != fg || !bytes.Equal(got[ig.HeaderLen:], pkt[iw.HeaderLen:]) {
		t.Fatalf("came out as %d bytes %v %v, want %d bytes %v", len(got), fg, d, len(pkt), fw)
	}
}

// TestTranslation sends from the node's own address through a chain that
// leased another, and back.
func TestTranslation(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	own, lease, far := addr(200, 1, false), addr(99, 1, false), addr(77, 2, false)
	p.a.bundle.Own4, p.a.bundle.Lease4 = own, lease
	info := p.a.view.layers[2]
	info.Own4, info.Lease4 = own, lease
	p.start()
	p.a.dev.Inject(datagram(own, far, 100, 1))
	if got := p.b.written(); !bytes.Equal(got, datagram(lease, far, 100, 1)) {
		t.Errorf("the far side sees % x", got[:28])
	}
	p.b.dev.Inject(datagram(far, lease, 100, 2))
	if got := p.a.written(); !bytes.Equal(got, datagram(far, own, 100, 2)) {
		t.Errorf("the node sees % x", got[:28])
	}
	quote := datagram(lease, far, 100, 1)
	p.b.dev.Inject(packet.ICMPUnreachable(make([]byte, 1280), quote, packet.UnreachPort, far))
	got := p.a.written()
	if src := netip.AddrFrom4([4]byte(got[28+12 : 28+16])); src != own {
		t.Errorf("icmp quotes a packet from %v, want %v", src, own)
	}
	if sum := packet.Checksum(got[20:], 0); sum != 0 {
		t.Errorf("icmp checksum is off by %#x", sum)
	}
}

// TestOutboundQuote: an ICMP error of the node's own quotes a packet to its own
// address, which the far side neither knows nor is to know. It sent to the lease.
func TestOutboundQuote(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newPair(t, nests["two tunnels"]...)
		own, lease, far := addr(200, 1, v6), addr(99, 1, v6), addr(77, 2, v6)
		p.a.bundle.Own4, p.a.bundle.Lease4 = addr(200, 1, false), addr(99, 1, false)
		p.a.bundle.Own6, p.a.bundle.Lease6 = addr(200, 1, true), addr(99, 1, true)
		p.start()
		p.a.dev.Inject(packet.ICMPUnreachable(make([]byte, 1280), datagram(far, own, 100, 1), packet.UnreachPort, own))
		got := p.b.written()
		want := packet.ICMPUnreachable(make([]byte, 1280), datagram(far, lease, 100, 1), packet.UnreachPort, lease)
		header := map[bool]int{false: 20, true: 40}[v6]
		quote := header + 8
		wantFlow, _ := packet.ParseQuote(want[quote:])
		if f, ok := packet.ParseQuote(got[quote:]); !ok || f != wantFlow {
			t.Errorf("quotes %v, want %v", f, wantFlow)
		}
		again := packet.ICMPUnreachable(make([]byte, 1280), got[quote:], packet.UnreachPort, lease)
		if !bytes.Equal(got[header:quote], again[header:quote]) {
			t.Errorf("icmp header % x, want % x", got[header:quote], again[header:quote])
		}
	}
}

// TestECN marks the outer header on the way: RFC 6040, Section 4.2.
func TestECN(t *testing.T) {
	const ce, ect0 = 3, 2
	tests := map[string]struct {
		inner, want uint8
		drop        packet.Drop
	}{
		"capable":     {0x28 | ect0, 0x28 | ce, packet.Live},
		"not capable": {0x28, 0, packet.ECN},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nests["two tunnels"]...)
			p.net.Hook = func(d memnet.Datagram) []memnet.Datagram {
				if d.TOS != tt.inner {
					t.Errorf("outer tos %#x, want the inner one, %#x", d.TOS, tt.inner)
				}
				d.TOS |= ce
				return []memnet.Datagram{d}
			}
			p.start()
			a, b := p.ends(false)
			pkt := datagram(a, b, 100, 1)
			packet.SetTOS(pkt, tt.inner)
			p.a.dev.Inject(pkt)
			c := p.b.settled(func(c Counters) bool { return c.FromNetwork == 1 })
			if tt.drop != packet.Live {
				if c.In[tt.drop] != 1 {
					t.Errorf("drops %v, want one %v", c.In, tt.drop)
				}
				return
			}
			if got := packet.TOS(p.b.written()); got != tt.want {
				t.Errorf("tos is %#x, want %#x", got, tt.want)
			}
		})
	}
}
