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

// A decided is a nest.Decision as the cache keeps it, in 16 bytes.
type decided struct {
	bundle  *nest.Bundle
	held    uint32 // of Hold: its key, see heldKeys
	verdict nest.Verdict
	drop    packet.Drop
}

// decide finds what to do with p, from the cache where it can. There is nothing
// to decide about what is refused already.
func (e *egress) decide(v *published, p *packet.Packet) nest.Decision {
	if p.Drop != packet.Live {
		return nest.Decision{}
	}
	if c, ok := e.cache.get(&p.Flow, v.gen); ok {
		e.hits++
		d := nest.Decision{Verdict: c.verdict, Drop: c.drop, Bundle: c.bundle}
		if c.verdict == nest.Hold {
			d.Key = e.held.keys[c.held]
		}
		return d
	}
	e.misses++
	d := decide(v, &p.Flow)
	c := decided{bundle: d.Bundle, verdict: d.Verdict, drop: d.Drop}
	if d.Verdict == nest.Hold {
		c.held = e.held.number(d.Key, v.gen)
	}
	e.cache.put(&p.Flow, v.gen, c)
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

// heldKeys numbers the keys of chains that are not up.
type heldKeys struct {
	keys    []nest.Key
	numbers map[nest.Key]uint32
	gen     uint64
}

func (h *heldKeys) number(k nest.Key, gen uint64) uint32 {
	if gen != h.gen {
		*h = heldKeys{numbers: make(map[nest.Key]uint32), gen: gen}
	}
	n, known := h.numbers[k]
	if !known {
		n = uint32(len(h.keys))
		h.numbers[k], h.keys = n, append(h.keys, k)
	}
	return n
}
