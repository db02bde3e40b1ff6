package policy

import (
	"math"
	"math/bits"

	"warren/packet"
)

// none ranks after every rule.
const none = math.MaxUint32

// An acceptor may refuse a rule that matches. It answers alike for all rules of
// a class.
type acceptor func(class, rank uint32) bool

// A query looks for the first rule that matches a flow.
type query struct {
	dst, src     address
	dport, sport uint16
	proto        uint8
	portless     bool // ports are not known, and not asked for
	ranks        ranks
	best         uint32   // rank of the first match so far
	accept       acceptor // nil accepts every rule
}

func newQuery(f *packet.Flow, r ranks, accept acceptor) query {
	return query{
		dst: newAddress(f.Dst), src: newAddress(f.Src), dport: f.DstPort, sport: f.SrcPort, proto: f.Proto,
		portless: f.Frag, ranks: r, best: none, accept: accept,
	}
}

// maxPairs is how many pairs of grades one flow has.
const maxPairs = (1 + numCoarse) * (1 + numCoarse)

// A candidate is a node that may hold the flow.
type candidate struct {
	rank uint32 // of its first rule
	node *node
}

// index looks into the nodes of all pairs, in the order of their first rules:
// most need no look any more when another has given a match.
func (q *query) index(x *index) {
	var room [maxPairs]uint32
	var found [maxPairs]candidate
	n := 0
	for _, h := range q.pairs(x, &room) {
		c := x.pairs.get(h)
		if c.empty() {
			continue
		}
		rank, at := q.ranks[c.first], n
		for ; at > 0 && found[at-1].rank > rank; at-- {
			found[at] = found[at-1]
		}
		found[at] = candidate{rank, c}
		n++
	}
	for i := range found[:n] {
		if found[i].rank >= q.best {
			return
		}
		q.node(found[i].node)
	}
}

// pairs are the hashes of the flow's pairs that there may be nodes of. It asks for
// one as for another, so that the processor need not guess.
func (q *query) pairs(x *index, room *[maxPairs]uint32) []uint32 {
	var d, s hashes
	dsts, srcs := d.set(&q.dst), s.set(&q.src)
	n := 0
	for ; dsts != 0; dsts &= dsts - 1 {
		dst := bits.TrailingZeros16(dsts)
		for set := x.present[dst] & srcs; set != 0; set &= set - 1 {
			h := pair(d[dst], s[bits.TrailingZeros16(set)])
			room[n] = h
			n += x.pairs.may(h)
		}
	}
	return room[:n]
}

// node looks at n and beneath it.
func (q *query) node(n *node) {
	switch {
	case n.fork == nil:
		q.scan(n.boxes)
	case q.portless && n.field >= fieldService:
		q.scan(n.heads)
	default:
		q.fork(n.fork)
	}
}

// fork looks into the branches that hold the flow, narrow ones first: they tend to
// rank before wide ones.
func (q *query) fork(f *fork) {
	if a := q.address(f.field); a.family != familyNone {
		lengths := &f.lengths[bits.TrailingZeros8(uint8(a.family))]
		for word := len(lengths) - 1; word >= 0; word-- {
			for set := lengths[word]; set != 0; {
				bit := bits.Len64(set) - 1
				set &^= 1 << bit
				k := a.cut(uint8(64*word + bit))
				q.branch(f.branches.get(k.short()))
			}
		}
	}
	q.branch(&f.any)
}

func (q *query) branch(n *node) {
	if !n.empty() && q.ranks[n.first] < q.best {
		q.node(n)
	}
}

// address is the flow's whole key of a field.
func (q *query) address(f field) address {
	var k key
	switch f {
	case fieldDst:
		return q.dst
	case fieldSrc:
		return q.src
	case fieldService:
		k = serviceKey(q.proto, Ports{q.dport, q.dport})
	default:
		k = portKey(Ports{q.sport, q.sport})
	}
	return address{k.bits128, family4}
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
		if q.accept == nil || q.accept(b.class, rank) {
			q.best = rank
			return
		}
	}
}

func (q *query) matches(b *box) bool {
	return (q.portless || b.dport.Contains(q.dport) && b.sport.Contains(q.sport)) &&
		(b.proto^q.proto)&b.protoMask == 0 &&
		b.srcLen.differ(&b.src, &q.src.bits128) == 0 && b.dstLen.differ(&b.dst, &q.dst.bits128) == 0 &&
		b.dstLen.not&q.dst.family|b.srcLen.not&q.src.family == 0
}
