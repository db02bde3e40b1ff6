package policy

import (
	"slices"

	"warren/packet"
)

// A table is an ordered list of rules with an index over them. It is immutable.
//
// The index speaks of rules by numbers that they keep for life, since their
// places change when one is put before them.
type table[R any] struct {
	rules   []R
	numbers []uint32 // of each rule, by place
	ranks   ranks    // the inverse
	free    []uint32 // numbers that are not in use
	root    *node    // nil: no boxes
	loose   []uint32 // numbers, in order, of rules that are not in the index
	kind    kind[R]
}

// kind is what a table must know of its rules. Rules of one class differ to
// nobody who asks: without ports, only the first of each class counts.
type kind[R any] struct {
	match func(*R) *Match
	class func(*R) uint32
}

func newTable[R any](rules []R, k kind[R]) *table[R] {
	t := &table[R]{rules: slices.Clone(rules), kind: k}
	var all []box
	for i := range t.rules {
		n := uint32(i)
		t.numbers, t.ranks = append(t.numbers, n), append(t.ranks, n)
		boxes, ok := t.boxes(&t.rules[i], n)
		if !ok {
			t.loose = append(t.loose, n)
		}
		all = append(all, boxes...)
	}
	if len(all) > 0 {
		t.root = newNode(key{}, all, 0)
	}
	return t
}

func (t *table[R]) boxes(r *R, number uint32) ([]box, bool) {
	return t.kind.match(r).boxes(number, t.kind.class(r))
}

// find is the place of the first rule that matches f and is accepted.
func (t *table[R]) find(f *packet.Flow, accept func(rank uint32) bool) (rank uint32) {
	q := newQuery(f, t.ranks, accept)
	if t.root != nil {
		q.node(t.root)
	}
	for _, n := range t.loose {
		rank := t.ranks[n]
		if rank >= q.best {
			break
		}
		m := t.kind.match(&t.rules[rank])
		if (m.Matches(*f) || f.Frag && m.matchesButPorts(*f)) && (accept == nil || accept(rank)) {
			return rank
		}
	}
	return q.best
}

// rule is the rule at place rank, if there is one.
func (t *table[R]) rule(rank uint32) (*R, bool) {
	if rank == none {
		return nil, false
	}
	return &t.rules[rank], true
}

// insert is t with r before the rule at place at.
func (t *table[R]) insert(at int, r R) *table[R] {
	c := *t
	number := uint32(len(t.ranks))
	if n := len(t.free); n > 0 {
		number, c.free = t.free[n-1], t.free[:n-1:n-1]
	}
	c.rules = insert(t.rules, at, r)
	c.numbers = insert(t.numbers, at, number)
	c.rank()
	c.add(at)
	return &c
}

// remove is t without the rule at place at.
func (t *table[R]) remove(at int) *table[R] {
	c := *t
	c.subtract(at)
	c.free = append(slices.Clip(t.free), t.numbers[at])
	c.rules = slices.Concat(t.rules[:at], t.rules[at+1:])
	c.numbers = slices.Concat(t.numbers[:at], t.numbers[at+1:])
	c.rank()
	return &c
}

// replace is t with r as the rule at place at.
func (t *table[R]) replace(at int, r R) *table[R] {
	c := *t
	c.subtract(at)
	c.rules = slices.Clone(t.rules)
	c.rules[at] = r
	c.add(at)
	return &c
}

// insert copies list, with v at place at.
func insert[V any](list []V, at int, v V) []V {
	return slices.Concat(list[:at], []V{v}, list[at:])
}

// rank makes ranks anew from numbers.
func (t *table[R]) rank() {
	t.ranks = make(ranks, len(t.numbers)+len(t.free))
	for i, n := range t.numbers {
		t.ranks[n] = uint32(i)
	}
}

// add indexes the rule at place at.
func (t *table[R]) add(at int) {
	number := t.numbers[at]
	boxes, ok := t.boxes(&t.rules[at], number)
	if !ok {
		i, _ := slices.BinarySearchFunc(t.loose, uint32(at), func(n, at uint32) int { return int(t.ranks[n]) - int(at) })
		t.loose = insert(t.loose, i, number)
	}
	for _, b := range boxes {
		t.root = t.root.with(key{}, b, t.ranks, 0)
	}
}

// subtract takes the rule at place at out of the index.
func (t *table[R]) subtract(at int) {
	number := t.numbers[at]
	boxes, ok := t.boxes(&t.rules[at], number)
	if !ok {
		t.loose = slices.DeleteFunc(slices.Clone(t.loose), func(n uint32) bool { return n == number })
	}
	for _, b := range boxes {
		t.root = t.root.without(b, t.ranks)
	}
}
