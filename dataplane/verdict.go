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
	like    packet.Like // the packet that was judged last, of that flow
	allowed bool        // the SA's selectors cover it
	ends    bool        // it is of a layer that ends here
	right   bool        // known to come the way that the rules want
}

// judge makes the latest verdict one about p, which came out of r.in.
func (o *opener) judge(v *published, p *packet.Packet, r *openRun) {
	l := &o.last
	known := l.in == r.in && l.like.Flow == p.Flow
	l.like.Learn(p)
	if known {
		return
	}
	l.in, l.allowed, l.right = r.in, r.in.Allows(&p.Flow), false
	l.ends = r.info != nil && o.isLayer(p) && ends(v, r.info, p.Flow.Dst)
}
