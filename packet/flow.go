package packet

import "net/netip"

// IP protocol numbers that this module looks at.
const (
	ProtoHopByHop = 0
	ProtoICMP     = 1
	ProtoIPv4     = 4
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoDCCP     = 33
	ProtoIPv6     = 41
	ProtoRouting  = 43
	ProtoFragment = 44
	ProtoESP      = 50
	ProtoAH       = 51
	ProtoICMPv6   = 58
	ProtoNone     = 59
	ProtoDestOpts = 60
	ProtoSCTP     = 132
	ProtoUDPLite  = 136
)

// A Flow is the 5-tuple of a packet. It is comparable. Addresses are never
// IPv4-mapped. The ports are zero for protocols that have none, ICMP among
// them, and for fragments that do not carry them, which are marked Frag.
type Flow struct {
	Src, Dst         netip.Addr
	Proto            uint8
	SrcPort, DstPort uint16

	// Frag is set for every fragment but the first: its ports are unknown, not
	// zero (the OPAQUE of RFC 4301, Section 4.4.1.1).
	Frag bool
}

// Info is what ParseFlow learns of a packet beyond its flow.
type Info struct {
	HeaderLen     int   // IP header and extension headers, up to the next protocol
	TotalLen      int   // length by the IP header; bytes behind it are no part of the packet
	Fragment      bool  // any fragment
	FirstFragment bool  // the fragment at offset 0
	DF            bool  // must not be fragmented on its way; always so for IPv6
	TOS           uint8 // DSCP and ECN, the traffic class of IPv6
}

// ParseFlow reads the 5-tuple of the IP packet at the front of ip. Where the
// packet is not one this node can carry, d says why and the rest is zero.
//
// A packet may be followed by bytes that are no part of it (traffic-flow
// padding, RFC 4303, Section 2.7): Info.TotalLen says where it ends. Header
// checksums are not verified.
func ParseFlow(ip []byte) (f Flow, info Info, d Drop) {
	h, d := parseIP(ip)
	if d != Live {
		return Flow{}, Info{}, d
	}
	f = Flow{Src: h.src, Dst: h.dst, Proto: h.proto, Frag: h.fragment && h.offset != 0}
	info = Info{
		HeaderLen:     h.headerLen,
		TotalLen:      h.totalLen,
		Fragment:      h.fragment,
		FirstFragment: h.fragment && h.offset == 0,
		DF:            h.df,
		TOS:           h.tos,
	}
	if f.Frag || !hasPorts(f.Proto) {
		return f, info, Live
	}
	l4 := ip[h.headerLen:h.totalLen]
	if len(l4) < 4 { // also a first fragment: policy could not be told its ports
		return Flow{}, Info{}, Truncated
	}
	f.SrcPort, f.DstPort = be16(l4), be16(l4[2:])
	return f, info, Live
}

// hasPorts reports whether proto begins with a source and a destination port.
func hasPorts(proto uint8) bool {
	switch proto {
	case ProtoTCP, ProtoUDP, ProtoDCCP, ProtoSCTP, ProtoUDPLite:
		return true
	}
	return false
}
