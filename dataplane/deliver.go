package dataplane

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/sa"
	"warren/underlay"
)

// inside decides about the IP packet that came out of a layer. If it is ESP for
// this node's next layer, inside uncovers it, notes how it came, and reports
// true: one more round. Otherwise it returns the packet's fate.
func (o *opener) inside(v *published, p *packet.Packet, info *nest.LayerInfo, f *flight) (next fate, more bool) {
	switch {
	case o.last.ends:
		if p.Info.Fragment { // not reassembled here
			p.Drop = packet.Fragment
			return refused, false
		}
		f.via, f.ttl = info.Layer, ttl(p.Bytes())
		p.TOS = p.Info.TOS
		return o.nextLayer(p, f.via)
	case isICMP(p) && ends(v, info, p.Flow.Dst) && o.pathMTU(p, info):
		return toControl, false
	}
	return o.deliver(v, p, info), false
}

// isLayer reports whether p is of a layer: ESP, plain or in UDP, or IKE.
func (o *opener) isLayer(p *packet.Packet) bool {
	switch p.Flow.Proto {
	case packet.ProtoESP:
		return true
	case packet.ProtoUDP:
		return p.Flow.DstPort == o.d.ports.NATT || p.Flow.DstPort == o.d.ports.IKE
	}
	return false
}

func isICMP(p *packet.Packet) bool {
	return p.Flow.Proto == packet.ProtoICMP || p.Flow.Proto == packet.ProtoICMPv6
}

// ends reports whether a layer inside this one may end here at dst: an address of
// this node's in a tunnel of its own, or where it listens in one that a peer opened.
func ends(v *published, info *nest.LayerInfo, dst netip.Addr) bool {
	if info.Accepted {
		return info.Mode == esp.Tunnel && v.Listens(dst)
	}
	return info.IsInner(dst)
}

// nextLayer uncovers what an IP packet to this node carries: ESP, for one more
// round, or an IKE message for the Handler.
func (o *opener) nextLayer(p *packet.Packet, via sa.Layer) (f fate, more bool) {
	p.TrimFront(p.Info.HeaderLen)
	if p.Flow.Proto == packet.ProtoESP {
		return refused, true
	}
	length := 0
	if p.Len() >= packet.UDPHeaderLen {
		length = int(binary.BigEndian.Uint16(p.Bytes()[4:]))
	}
	if length < packet.UDPHeaderLen || length > p.Len() {
		p.Drop = packet.Truncated
		return refused, false
	}
	p.TrimBack(p.Len() - length)
	p.TrimFront(packet.UDPHeaderLen)
	if p.Flow.DstPort == o.d.ports.IKE {
		o.ike(p, via, false)
		return toControl, false
	}
	kind, drop := underlay.Demux(p.Bytes())
	switch {
	case drop != packet.Live:
		p.Drop = drop
		return refused, false
	case kind == packet.KindIKE:
		p.TrimFront(markerLen)
		o.ike(p, via, true)
		return toControl, false
	}
	return refused, true
}

func ttl(ip []byte) uint8 {
	if isIPv6(ip) {
		return ip[7]
	}
	return ip[8]
}

// ike gives the Handler a copy of the message in p's window.
func (o *opener) ike(p *packet.Packet, via sa.Layer, natt bool) {
	e := endsOf(p, via)
	o.d.opt.Handler.IKE(Message{Via: via, Local: e.Local, Remote: e.Remote, NATT: natt, Data: bytes.Clone(p.Bytes())})
}

// endsOf is between whom the datagram went that p was in. Within a layer, that was
// the packet parsed last.
func endsOf(p *packet.Packet, via sa.Layer) packet.Ends {
	if via == sa.Network {
		return packet.Ends{Local: p.Local(), Remote: p.Remote()}
	}
	return packet.Ends{
		Local:  netip.AddrPortFrom(p.Flow.Dst, p.Flow.DstPort),
		Remote: netip.AddrPortFrom(p.Flow.Src, p.Flow.SrcPort),
	}
}

// deliver makes p ready for the TUN: the address that the layer leased becomes
// the node's own again (DESIGN, section 4).
func (o *opener) deliver(v *published, p *packet.Packet, info *nest.LayerInfo) fate {
	to := info.Deliver(p.Flow.Dst)
	if (!info.Accepted || info.HasChildren) && !o.right(v, p, info, to) {
		p.Drop = packet.WrongLayer
		return refused
	}
	if to == p.Flow.Dst {
		return toTUN
	}
	if !packet.ReplaceAddr(p.Bytes(), false, to) {
		p.Drop = packet.Malformed
		return refused
	}
	translateQuote(p, quotedSrc, p.Flow.Dst, to)
	return toTUN
}

// right reports whether p came out of the layer that the rules want for its flow.
func (o *opener) right(v *published, p *packet.Packet, info *nest.LayerInfo, to netip.Addr) bool {
	if !o.last.right {
		right := o.expected(v, answered(p, to), info.Layer) == info.Layer
		o.last.right = right && !isICMP(p) // an error's flow is that of the packet in it
		return right
	}
	return true
}

// expected is the layer that answers to f, which came out of from, must come out
// of. Each layer is an SA of its own with wide selectors, so a gateway could otherwise
// speak for whoever is protected from it by the layers inside (RFC 4301, Section 5.2:
// the SA must be the one that the SPD wants for the packet). What a peer opened, with
// nothing inside, is not asked about: its selectors are as narrow as its lease.
func (o *opener) expected(v *published, f packet.Flow, from sa.Layer) sa.Layer {
	if e, ok := o.cache.get(&f, v.gen); ok && e.from == from {
		return e.want
	}
	want := v.Expects(f, from)
	o.cache.put(&f, v.gen, expectation{from, want})
	return want
}

// answered is the flow that p, delivered to the address to, answers: its own
// reversed, or for an ICMP error that of the packet it quotes (RFC 4301, Section
// 6.2), if it quotes one from the address that it is sent to.
func answered(p *packet.Packet, to netip.Addr) packet.Flow {
	if quote, ok := quoted(p); ok {
		if f, ok := packet.ParseQuote(quote); ok && f.Src == p.Flow.Dst {
			f.Src = to
			return f
		}
	}
	return packet.Flow{
		Src: to, Dst: p.Flow.Src, Proto: p.Flow.Proto,
		SrcPort: p.Flow.DstPort, DstPort: p.Flow.SrcPort, Frag: p.Flow.Frag,
	}
}
