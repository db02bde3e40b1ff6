package dataplane

import (
	"warren/packet"
	"warren/sa"
)

// A verdict is what was found out about a flow that came out of an SA. Packets of
// a flow come in runs, so an opener keeps the latest, until it has opened what it
// was given.
type verdict struct {
	in      *sa.Inbound
	flow    packet.Flow
	allowed bool // the SA's selectors cover it
	ends    bool // it is of a layer that ends here
	right   bool // known to come the way that the rules want
}

// judge makes the latest verdict one about p, which came out of f.in.
func (o *opener) judge(v *published, p *packet.Packet, f *flight) *verdict {
	if l := &o.last; l.in != f.in || l.flow != p.Flow {
		*l = verdict{in: f.in, flow: p.Flow, allowed: f.in.Allows(&p.Flow)}
		l.ends = f.info != nil && o.isLayer(p) && ends(v, f.info, p.Flow.Dst)
	}
	return &o.last
}
