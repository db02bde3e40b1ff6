package dataplane

import (
	"net/netip"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/sa"
)

// fate is where a received packet goes.
type fate uint8

const (
	refused   fate = iota // dropped, for its Drop
	toTUN                 // delivered
	toControl             // consumed by the Handler
)

// An opener takes packets out of their layers. It belongs to one worker.
type opener struct {
	d     *Dataplane
	cache *flowCache[sa.Layer] // what the view expects

	// The link counted last, and what it carried since: added once per run.
	link           *nest.Link
	packets, bytes uint64

	burst esp.OpenBurst
	one   [1]*packet.Packet
	seqs  [1]uint64
	next  [1]uint8
}

// maxExpected bounds an opener's cache: what is in it is the far side's choice.
const maxExpected = 1 << 16

func newOpener(d *Dataplane) opener {
	return opener{d: d, cache: newFlowCache[sa.Layer](min(d.opt.Limits.Flows, maxExpected))}
}

// An arrival is how an ESP packet or IKE message in the window of a packet
// got where it is: at first on the network, then out of layer after layer.
type arrival struct {
	via           sa.Layer
	local, remote netip.AddrPort // of the datagram it came in
	tos, ttl      uint8          // of that datagram
}

// open takes p out of its layers, outermost first, as long as what comes out is
// for this node's next layer. Each round checks the layer binding, the ESP packet
// itself and the selectors, in this order; what is delivered in the end must
// besides have come the way that the rules want for it. Nothing changes for a
// packet that does not pass.
func (o *opener) open(v *published, p *packet.Packet) fate {
	if p.Drop != packet.Live {
		return refused
	}
	at := arrival{sa.Network, p.Local, p.Remote, p.TOS, 64}
	if p.Kind == packet.KindIKE {
		o.ike(p, at, p.Local.Port() == o.d.ports.NATT)
		return toControl
	}
	tunnels := 0
	for range o.d.opt.Limits.Depth + 1 { // one more: a transport association, the innermost
		in, ok := o.openLayer(p, at)
		if !ok {
			return refused
		}
		if in.Mode() == esp.Tunnel && tunnels == o.d.opt.Limits.Depth {
			break
		}
		tunnels++
		info := v.Layer(in.Layer())
		if info == nil { // installed, but not in the view yet, or not any more
			p.Drop = packet.ChainDown
			return refused
		}
		o.counted(info.Link, p)
		next, more := o.inside(v, p, info, &at)
		if !more {
			return next
		}
	}
	p.Drop = packet.Depth
	return refused
}

// openLayer is one ESP decapsulation (RFC 4303, Section 3.4, and RFC 4301,
// Section 5.2): afterwards the window is an IP packet with Flow and Info set,
// authenticated and within the selectors of the SA it came by.
func (o *opener) openLayer(p *packet.Packet, at arrival) (*sa.Inbound, bool) {
	h, ok := esp.ParseHeader(p.Bytes())
	switch {
	case !ok && h == nil:
		p.Drop = packet.Runt
		return nil, false
	case !ok:
		p.Drop = packet.ReservedSPI
		return nil, false
	}
	in := o.d.opt.SAD.Lookup(h.SPI())
	switch {
	case in == nil:
		p.Drop = packet.NoSA
		return nil, false
	case in.Via() != at.via:
		p.Drop = packet.WrongLayer
		return nil, false
	}
	o.one[0] = p
	in.Begin(&o.burst, o.one[:], o.seqs[:])
	o.burst.Run()
	in.Finish(o.one[:], o.seqs[:], o.next[:])
	if p.Drop != packet.Live {
		return nil, false
	}
	next := o.next[0]
	if in.Mode() == esp.Transport {
		restore(p, at, next)
	} else {
		uncover(p, at, next)
	}
	if p.Drop == packet.Live && !in.Allows(p.Flow) {
		p.Drop = packet.Selector
	}
	return in, p.Drop == packet.Live
}

// uncover parses the packet that came out of a tunnel-mode SA, cuts traffic flow
// padding off (RFC 4303, Section 2.7), and combines the ECN fields of the outer
// header and its own (RFC 6040, Section 4.2).
func uncover(p *packet.Packet, at arrival, next uint8) {
	if next != packet.ProtoIPv4 && next != packet.ProtoIPv6 {
		p.Drop = packet.BadNextHeader
		return
	}
	p.Flow, p.Info, p.Drop = packet.ParseFlow(p.Bytes())
	if p.Drop != packet.Live {
		return
	}
	if isIPv6(p.Bytes()) != (next == packet.ProtoIPv6) {
		p.Drop = packet.BadNextHeader
		return
	}
	p.TrimBack(p.Len() - p.Info.TotalLen)
	tos, ok := packet.DecapECN(at.tos, p.Info.TOS)
	if !ok {
		p.Drop = packet.ECN
		return
	}
	if tos != p.Info.TOS {
		packet.SetTOS(p.Bytes(), tos)
		p.Info.TOS = tos
	}
}

// restore puts an IP header before what came out of a transport-mode SA: the
// addresses are those that the ESP packet came with (RFC 4303, Section 3.1.1).
func restore(p *packet.Packet, at arrival, next uint8) {
	switch next { // extension headers belong before ESP; AH is not implemented
	case packet.ProtoHopByHop, packet.ProtoRouting, packet.ProtoFragment, packet.ProtoDestOpts, packet.ProtoAH:
		p.Drop = packet.BadNextHeader
		return
	}
	h := packet.IPHeader{
		Src: at.remote.Addr(), Dst: at.local.Addr(), Proto: next, TTL: at.ttl, TOS: at.tos, DF: true,
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
	p.Flow, p.Info, p.Drop = packet.ParseFlow(p.Bytes())
}

// counted notes that the packet came in on link.
func (o *opener) counted(link *nest.Link, p *packet.Packet) {
	if link != o.link {
		o.count()
		o.link = link
	}
	o.packets++
	o.bytes += uint64(p.Len())
}

// count adds what was noted.
func (o *opener) count() {
	if o.link != nil && o.packets > 0 {
		o.link.PacketsIn.Add(o.packets)
		o.link.BytesIn.Add(o.bytes)
	}
	o.link, o.packets, o.bytes = nil, 0, 0
}
