package dataplane

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"warren/esp"
	"warren/packet"
)

// TestTooBig wants a packet one byte over the chain's MTU answered with that
// figure, and one without DF fragmented.
func TestTooBig(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := newPair(t, nests["two tunnels"]...)
		a, b := p.ends(v6)
		p.start()
		mtu := int(p.a.bundle.MTU)
		p.a.dev.Inject(datagram(a, b, mtu+1, 1))
		icmp := p.a.written()
		got, at := int(binary.BigEndian.Uint16(icmp[26:])), 20
		if v6 {
			got, at = int(binary.BigEndian.Uint32(icmp[44:])), 40
		}
		if got != mtu || icmp[at] != map[bool]byte{false: 3, true: 2}[v6] {
			t.Errorf("IPv6 %v: icmp type %d with mtu %d, want %d", v6, icmp[at], got, mtu)
		}
		c := p.a.settled(func(c Counters) bool { return c.FromTUN == 1 && c.Answers > 0 }) // counted after it is written
		if c.Out[packet.TooBig] != 1 || c.Answers != 1 {
			t.Errorf("drops %v", p.a.dp.Drops())
		}
	}
}

func TestFragmentation(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	a, b := p.ends(false)
	p.start()
	pkt := datagram(a, b, 3000, 1)
	for i := range 2960 {
		pkt[28+i] = byte(i * 7)
	}
	packet.PutIP(pkt, packet.IPHeader{Src: a, Dst: b, Proto: packet.ProtoUDP, TTL: 61, ID: 77, Len: len(pkt)})
	p.a.dev.Inject(pkt)
	whole := make([]byte, len(pkt)-20)
	n := 0
	for range 3 {
		f := p.b.written()
		field := binary.BigEndian.Uint16(f[6:])
		if len(f) > int(p.a.bundle.MTU) || packet.Checksum(f[:20], 0) != 0 || binary.BigEndian.Uint16(f[4:]) != 77 {
			t.Errorf("fragment of %d bytes, header % x", len(f), f[:20])
		}
		n += copy(whole[int(field&offsetMask)*8:], f[20:])
	}
	if n != len(whole) || !bytes.Equal(whole, pkt[20:]) {
		t.Errorf("fragments hold %d bytes, want %d equal ones", n, len(whole))
	}
	c := p.a.settled(func(c Counters) bool { return c.FromTUN == 1 })
	if c.Fragments != 2 {
		t.Errorf("%d fragments counted beyond the first, want 2", c.Fragments)
	}
}

// TestFragmentsOfAWholeBatch needs more spare packets than there are.
func TestFragmentsOfAWholeBatch(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	a, b := p.ends(false)
	batch := packet.NewBatch(2*maxFragments, packet.MaxPacket)
	for i, x := range batch {
		pkt := datagram(a, b, 1400, 1)
		packet.PutIP(pkt, packet.IPHeader{Src: a, Dst: b, Proto: packet.ProtoUDP, TTL: 61, ID: uint16(i), Len: len(pkt)})
		x.Set(pkt)
	}
	if err := p.a.dp.egress[0].batch(batch); err != nil {
		t.Fatal(err)
	}
	c := p.a.dp.Counters()
	if c.ToNetwork != uint64(2*len(batch)) || c.Answers != 0 || !c.Balanced() {
		t.Errorf("%d fragments of %d packets sent, %d answers, drops %v", c.ToNetwork, len(batch), c.Answers, p.a.dp.Drops())
	}
}

// TestFragmentsForJumbo: an MTU above what a spare packet holds.
func TestFragmentsForJumbo(t *testing.T) {
	p := newPair(t, nests["udp tunnel"]...)
	p.net.MTU = func(_, _ netip.Addr) int { return 65535 }
	p.a.bundle.MTU = 30000
	a, b := p.ends(false)
	pkt := datagram(a, b, 60000, 1)
	packet.PutIP(pkt, packet.IPHeader{Src: a, Dst: b, Proto: packet.ProtoUDP, TTL: 61, ID: 7, Len: len(pkt)})
	p.start()
	p.a.dev.Inject(pkt)
	for n := 0; n < 60000-20; {
		f := p.b.written()
		if len(f) <= 20 {
			t.Fatalf("an empty fragment: % x", f)
		}
		n += len(f) - 20
	}
}

// TestHugeIKE: what is too big for fragments is nobody's business on the TUN.
func TestHugeIKE(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	p.a.bundle.MTU = 576
	local, remote := netip.AddrPortFrom(addr(3, 1, false), 500), netip.AddrPortFrom(addr(3, 2, false), 500)
	if err := p.a.dp.SendIKE(p.a.bundle, local, remote, false, make([]byte, 60000)); err == nil {
		t.Error("sent")
	}
	if c := p.a.dp.Counters(); c.Answers != 0 || c.Out[packet.TooBig] != 1 || !c.Balanced() {
		t.Errorf("%d answers written to the TUN, drops %v", c.Answers, p.a.dp.Drops())
	}
}

// TestTransportNeverFragments: RFC 4303, Section 3.3.4.
func TestTransportNeverFragments(t *testing.T) {
	p := newPair(t, nests["tunnel and transport"]...)
	a, b := p.ends(false)
	p.start()
	pkt := datagram(a, b, 1600, 1)
	packet.PutIP(pkt, packet.IPHeader{Src: a, Dst: b, Proto: packet.ProtoUDP, TTL: 61, Len: len(pkt)})
	p.a.dev.Inject(pkt)
	part := datagram(a, b, 100, 1)
	part[6], part[7] = 0x20, 0 // the first of several
	p.a.dev.Inject(part)
	c := p.a.settled(func(c Counters) bool { return c.FromTUN == 2 })
	if c.Out[packet.TooBig] != 1 || c.Out[packet.Fragment] != 1 {
		t.Errorf("drops %v", p.a.dp.Drops())
	}
}

// TestPathMTU narrows the network, and then an inner path.
func TestPathMTU(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	a, b := p.ends(false)
	p.a.bundle.MTU += 50 // larger than the network takes
	p.start()
	p.a.dev.Inject(datagram(a, b, int(p.a.bundle.MTU), 1))
	<-p.a.h.done
	if got := p.a.h.paths; len(got) != 1 || got[0] != 1500 {
		t.Errorf("told path mtus %v, want 1500", got)
	}
	p.a.settled(func(c Counters) bool { return c.Out[packet.TooBig] == 1 })

	esp := datagram(addr(2, 1, false), addr(2, 2, false), 1300, 1)
	esp[9] = packet.ProtoESP
	router := addr(77, 9, false)
	report := packet.ICMPTooBig(make([]byte, 1280), esp, 1200, router)
	one := *p.b.bundle // sealed for layer 1 alone
	one.Layers = one.Layers[1:]
	p.b.view.decision.Bundle = &one
	p.b.dp.Publish(p.b.view)
	p.b.dev.Inject(report)
	<-p.a.h.done
	if got := p.a.h.paths; len(got) != 2 || got[1] != 1200 {
		t.Errorf("told path mtus %v, want 1200 last", got)
	}
	p.a.settled(func(c Counters) bool { return c.ToControl == 1 && c.ToTUN == 0 })
}

// TestMSS: the MSS is what the chain takes, and with AES-CBC innermost a segment
// of that size fills its blocks.
func TestMSS(t *testing.T) {
	for _, suites := range [][]esp.Suite{{suite, suite}, {suite, largest}, {largest, suite}, {largest, largest}} {
		p := newMixed(t, 1, suites, nests["two tunnels"]...)
		a, b := p.ends(false)
		p.start()
		syn := make([]byte, 44)
		packet.PutIP(syn, packet.IPHeader{Src: a, Dst: b, Proto: packet.ProtoTCP, TTL: 64, DF: true, Len: 44})
		copy(syn[32:], []byte{0x60, 2})
		copy(syn[40:], []byte{2, 4, 0x05, 0xb4}) // 1460
		p.a.dev.Inject(syn)
		mtu := int(p.a.bundle.MTU)
		if got, want := int(binary.BigEndian.Uint16(p.b.written()[42:])), mtu-40; got != want {
			t.Errorf("%v: mss %d, want %d", suites, got, want)
		}
		if inner := suites[1]; inner.SealedLen(mtu) != inner.SealedLen(mtu-inner.BlockAlign()+1) || inner.SealedLen(mtu) == inner.SealedLen(mtu+1) {
			t.Errorf("%v: %d bytes leave padding", suites, mtu)
		}
	}
}
