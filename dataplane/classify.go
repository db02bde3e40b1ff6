package dataplane

import (
	"net/netip"

	"warren/nest"
	"warren/packet"
)

// classify reads the flow of p, and cuts off what is behind the end that its IP
// header names.
func classify(p *packet.Packet) {
	if p.Drop != packet.Live {
		return
	}
	p.Parse()
	if p.Drop == packet.Live {
		p.TrimBack(p.Len() - p.Info.TotalLen)
	}
}

// decide finds what to do with p, from the cache where it can.
func (e *egress) decide(v *published, p *packet.Packet) nest.Decision {
	if d, ok := e.cache.get(&p.Flow, v.gen); ok {
		e.hits++
		return d
	}
	e.misses++
	d := decide(v, &p.Flow)
	e.cache.put(&p.Flow, v.gen, d)
	return d
}

// decide asks the view about a flow, but refuses what no rule could sensibly
// carry: multicast and link-local packets that a kernel sends on every interface.
func decide(v *published, f *packet.Flow) nest.Decision {
	if !isUnicast(f.Dst) || !isUnicast(f.Src) {
		return nest.Decision{Verdict: nest.Discard, Drop: packet.Multicast}
	}
	return v.Decide(*f)
}

func isUnicast(a netip.Addr) bool {
	return !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsUnspecified() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
