package dataplane

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"warren/nest"
	"warren/packet"
	"warren/underlay"
)

// inside decides about the IP packet that came out of a layer. If it is ESP for
// this node's next layer, inside uncovers it, describes in at how it came, and
// reports true: one more round. Otherwise it returns the packet's fate.
func (o *opener) inside(p *packet.Packet, info *nest.LayerInfo, at *arrival) (f fate, more bool) {
	if info.Accepted || !info.IsInner(p.Flow.Dst) {
		return deliver(p, info), false
	}
	proto, port := p.Flow.Proto, p.Flow.DstPort
	isUDP := proto == packet.ProtoUDP
	switch {
	case proto == packet.ProtoESP, isUDP && port == o.d.ports.NATT, isUDP && port == o.d.ports.IKE:
		if p.Info.Fragment { // not reassembled here
			p.Drop = packet.Fragment
			return refused, false
		}
		*at = arrival{
			via:    info.Layer,
			local:  netip.AddrPortFrom(p.Flow.Dst, port),
			remote: netip.AddrPortFrom(p.Flow.Src, p.Flow.SrcPort),
			tos:    p.Info.TOS, ttl: ttl(p.Bytes()),
		}
		return o.nextLayer(p, *at)
	case (proto == packet.ProtoICMP || proto == packet.ProtoICMPv6) && o.pathMTU(p, info):
		return toControl, false
	}
	return deliver(p, info), false
}

// nextLayer uncovers what an IP packet to this node carries: ESP, for one more
// round, or an IKE message for the Handler.
func (o *opener) nextLayer(p *packet.Packet, at arrival) (f fate, more bool) {
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
	if at.local.Port() == o.d.ports.IKE {
		o.ike(p, at, false)
		return toControl, false
	}
	kind, drop := underlay.Demux(p.Bytes())
	switch {
	case drop != packet.Live:
		p.Drop = drop
		return refused, false
	case kind == packet.KindIKE:
		p.TrimFront(markerLen)
		o.ike(p, at, true)
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
func (o *opener) ike(p *packet.Packet, at arrival, natt bool) {
	o.d.opt.Handler.IKE(Message{
		Via: at.via, Local: at.local, Remote: at.remote, NATT: natt, Data: bytes.Clone(p.Bytes()),
	})
}

// deliver makes p ready for the TUN: the address that the layer leased becomes
// the node's own again (DESIGN, section 4).
func deliver(p *packet.Packet, info *nest.LayerInfo) fate {
	to := info.Deliver(p.Flow.Dst)
	if to == p.Flow.Dst {
		return toTUN
	}
	if !packet.ReplaceAddr(p.Bytes(), false, to) {
		p.Drop = packet.Malformed
		return refused
	}
	translateQuote(p, p.Flow.Dst, to)
	return toTUN
}
