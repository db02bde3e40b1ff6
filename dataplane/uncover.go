package dataplane

import "warren/packet"

// uncover parses the packet that came out of a tunnel-mode SA, cuts traffic flow
// padding off (RFC 4303, Section 2.7), and combines the ECN fields of the outer
// header and its own (RFC 6040, Section 4.2). It reports whether the packet is like
// the one that like knows.
func uncover(p *packet.Packet, next uint8, like *packet.Like) (same bool) {
	if next != packet.ProtoIPv4 && next != packet.ProtoIPv6 {
		p.Drop = packet.BadNextHeader
		return false
	}
	if same = like.Parse(p); !same {
		p.Parse()
	}
	if p.Drop != packet.Live {
		return false
	}
	if isIPv6(p.Bytes()) != (next == packet.ProtoIPv6) {
		p.Drop = packet.BadNextHeader
		return false
	}
	p.TrimBack(p.Len() - p.Info.TotalLen)
	tos, ok := packet.DecapECN(p.TOS, p.Info.TOS)
	if !ok {
		p.Drop = packet.ECN
		return false
	}
	if tos != p.Info.TOS {
		packet.SetTOS(p.Bytes(), tos)
		p.Info.TOS = tos
	}
	return same
}

// restore puts an IP header before what came out of a transport-mode SA: the
// addresses are those that the ESP packet came with (RFC 4303, Section 3.1.1).
func restore(p *packet.Packet, f *flight, next uint8) {
	if packet.IsExtension(next) || next == packet.ProtoAH { // those belong before ESP; AH is not implemented
		p.Drop = packet.BadNextHeader
		return
	}
	e := endsOf(p, f.via)
	h := packet.IPHeader{
		Src: e.Remote.Addr(), Dst: e.Local.Addr(), Proto: next, TTL: f.ttl, TOS: p.TOS, DF: true,
	}
	n := packet.IPv4HeaderLen
	if h.Src.Is6() {
		n = packet.IPv6HeaderLen
	}
	if short := n - p.Headroom(); short > 0 {
		p.Shift(short) // ESP left room behind
	}
	front := p.Prepend(n)
	h.Len = p.Len()
	if front == nil || h.Len > packet.MaxPacket || h.Src.Is4() != h.Dst.Is4() || packet.PutIP(front, h) == 0 {
		p.Drop = packet.NoRoom
		return
	}
	p.Parse()
}
