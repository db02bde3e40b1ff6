package policy

import (
	"math"

	"warren/packet"
)

// none ranks after every rule.
const none = math.MaxUint32

// A query looks for the first rule that matches a flow.
type query struct {
	fields       [numFields]key
	dport, sport uint16
	proto        uint8
	portless     bool // ports are not known, and not asked for
	ranks        ranks
	best         uint32                   // rank of the first match so far
	accept       func(number uint32) bool // nil accepts every rule; alike for all of a class
}

func newQuery(f *packet.Flow, r ranks, accept func(number uint32) bool) query {
	return query{
		fields: [numFields]key{
			fieldDst: addrKey(f.Dst), fieldSrc: addrKey(f.Src), fieldProto: protoKey(f.Proto),
			fieldDstPort: portKey(f.DstPort), fieldSrcPort: portKey(f.SrcPort),
		},
		dport: f.DstPort, sport: f.SrcPort, proto: f.Proto,
		portless: f.Frag, ranks: r, best: none, accept: accept,
	}
}

// node looks at n and beneath it.
func (q *query) node(n *node) {
	switch {
	case n.fork == nil:
		q.scan(n.boxes) // they are nearer than the rank
	case q.ranks[n.first] >= q.best:
	case q.portless && n.field == fieldDstPort:
		q.scan(n.heads)
	default:
		q.fork(n.fork)
	}
}

// fork looks into the branches that hold the flow.
func (q *query) fork(f *fork) {
	if k := &q.fields[f.field]; k.family != familyAny {
		q.branches(&f.branches, k)
	}
	if f.any != nil { // last: it is large, and a match already found may spare it
		q.node(f.any)
	}
}

func (q *query) branches(s *slots, k *key) {
	// Finding the branches before looking into them lets the processor wait for
	// their memory all at once.
	var found [16]*node
	n := 0
	for _, length := range s.lengths[k.family-1] {
		prefix := k.cut(length)
		child := s.get(&prefix)
		if child == nil {
			continue
		}
		if n == len(found) {
			q.nodes(found[:n])
			n = 0
		}
		found[n] = child
		n++
	}
	q.nodes(found[:n])
}

func (q *query) nodes(list []*node) {
	for _, n := range list {
		q.node(n)
	}
}

// scan takes the first box that matches. Boxes are in the rules' order.
func (q *query) scan(boxes []box) {
	for i := range boxes {
		b := &boxes[i]
		if !q.matches(b) {
			continue
		}
		rank := q.ranks[b.rule]
		if rank >= q.best {
			return
		}
		if q.accept == nil || q.accept(b.rule) {
			q.best = rank
			return
		}
	}
}

func (q *query) matches(b *box) bool {
	return (q.portless || b.dport.Contains(q.dport) && b.sport.Contains(q.sport)) &&
		(b.anyProto || b.proto == q.proto) &&
		b.src.contains(&q.fields[fieldSrc]) && b.dst.contains(&q.fields[fieldDst])
}
