package nest

import (
	"net/netip"

	"warren/esp"
	"warren/packet"
)

// An OuterMTU is the largest IP packet that a layer may emit.
type OuterMTU int

// An InnerMTU is the largest IP packet that a layer takes in. It is the
// OuterMTU of the layer inside it.
type InnerMTU int

// Outer is the figure seen from the next layer inside.
func (m InnerMTU) Outer() OuterMTU { return OuterMTU(m) }

// DefaultPathMTU is assumed of the network until it says less.
const DefaultPathMTU OuterMTU = 1500

// MinMTU is the least path MTU believed, by family (RFC 791, Section 3.1; RFC
// 8200, Section 5). Less is taken for a forged ICMP error (RFC 4301, Section
// 6.1.1).
func MinMTU(a netip.Addr) OuterMTU {
	if a.Is4() {
		return 576
	}
	return 1280
}

// A Wrapping is what one layer does to a packet.
type Wrapping struct {
	Mode  esp.Mode
	Suite esp.Suite
	Encap packet.Encap
	IPv6  bool // the outer header
}

// header is the IP header of the packets that the layer emits. In transport
// mode it is the inner packet's own.
func (w Wrapping) header() int {
	if w.IPv6 {
		return packet.IPv6HeaderLen
	}
	return packet.IPv4HeaderLen
}

func (w Wrapping) udp() int {
	if w.Encap == packet.EncapUDP {
		return packet.UDPHeaderLen
	}
	return 0
}

// Inner is what fits into the layer, padding included (RFC 4303, Section 2.4);
// 0 where nothing does.
func (m OuterMTU) Inner(w Wrapping) InnerMTU {
	avail := int(m) - w.header() - w.udp()
	if avail <= 0 {
		return 0
	}
	inner := w.Suite.InnerMTU(avail)
	if inner <= 0 {
		return 0
	}
	if w.Mode == esp.Transport {
		inner += w.header()
	}
	return InnerMTU(inner)
}
