package policy

import (
	"slices"
	"sync/atomic"

	"warren/packet"
)

// A table is an ordered list of rules with an index over them. It is immutable.
//
// The index speaks of rules by numbers that they keep for life, since their
// places change when one is put before them.
type table[R any] struct {
	rules   []*R                 // by number
	list    *atomic.Pointer[[]R] // the rules in order, once somebody asked
	numbers []uint32             // of each rule, by place
	ranks   ranks                // the inverse
	free    []uint32             // numbers that are not in use
	index   *index
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
	t := &table[R]{list: new(atomic.Pointer[[]R]), kind: k}
	list := slices.Clone(rules)
	t.list.Store(&list)
	var all []box
	for i := range list {
		n := uint32(i)
		t.rules, t.numbers, t.ranks = append(t.rules, &list[i]), append(t.numbers, n), append(t.ranks, n)
		boxes, ok := t.boxes(n)
		if !ok {
			t.loose = append(t.loose, n)
		}
		all = append(all, boxes...)
	}
	t.index = newIndex(all)
	return t
}

func (t *table[R]) boxes(number uint32) ([]box, bool) {
	r := t.rules[number]
	return t.kind.match(r).boxes(number, t.kind.class(r))
}

// inOrder are the rules in order. From the first call on, rule's results point
// into it.
func (t *table[R]) inOrder() []R {
	if list := t.list.Load(); list != nil {
		return *list
	}
	list := make([]R, len(t.numbers))
	for i, n := range t.numbers {
		list[i] = *t.rules[n]
	}
	t.list.CompareAndSwap(nil, &list)
	return *t.list.Load()
}

// rule is the rule at place rank, if there is one.
func (t *table[R]) rule(rank uint32) (*R, bool) {
	if rank == none {
		return nil, false
	}
	if list := t.list.Load(); list != nil {
		return &(*list)[rank], true
	}
	return t.rules[t.numbers[rank]], true
}

// find is the place of the first rule that matches f and is accepted.
func (t *table[R]) find(f *packet.Flow, accept acceptor) (rank uint32) {
	q := newQuery(f, t.ranks, accept)
	q.index(t.index)
	for _, n := range t.loose {
		rank := t.ranks[n]
		if rank >= q.best {
			break
		}
		m := t.kind.match(t.rules[n])
		if (m.Matches(*f) || f.Frag && m.matchesButPorts(*f)) && (accept == nil || accept(t.kind.class(t.rules[n]), rank)) {
			return rank
		}
	}
	return q.best
}

// insert is t with r before the rule at place at.
func (t *table[R]) insert(at int, r R) *table[R] {
	c := t.clone()
	number := uint32(len(t.rules))
	if n := len(t.free); n > 0 {
		number, c.free = t.free[n-1], t.free[:n-1:n-1]
		c.rules[number] = &r
	} else {
		c.rules = append(c.rules, &r)
	}
	c.numbers = slices.Concat(t.numbers[:at], []uint32{number}, t.numbers[at:])
	c.rank()
	c.add(number)
	return c
}

// remove is t without the rule at place at.
func (t *table[R]) remove(at int) *table[R] {
	c, number := t.clone(), t.numbers[at]
	c.subtract(number)
	c.rules[number] = nil
	c.free = append(slices.Clip(t.free), number)
	c.numbers = slices.Concat(t.numbers[:at], t.numbers[at+1:])
	c.rank()
	return c
}

// replace is t with r as the rule at place at.
func (t *table[R]) replace(at int, r R) *table[R] {
	c, number := t.clone(), t.numbers[at]
	c.subtract(number)
	c.rules[number] = &r
	c.add(number)
	return c
}

// clone is t, but for its list, with rules that may be changed.
func (t *table[R]) clone() *table[R] {
	c := *t
	c.rules, c.list = slices.Clone(t.rules), new(atomic.Pointer[[]R])
	return &c
}

// rank makes ranks anew from numbers.
func (t *table[R]) rank() {
	t.ranks = make(ranks, len(t.rules))
	for i, n := range t.numbers {
		t.ranks[n] = uint32(i)
	}
}

// add indexes a rule.
func (t *table[R]) add(number uint32) {
	boxes, ok := t.boxes(number)
	if !ok {
		i, _ := slices.BinarySearchFunc(t.loose, number, t.ranks.compare)
		t.loose = slices.Insert(slices.Clone(t.loose), i, number)
	}
	for _, b := range boxes {
		t.index = t.index.with(b, t.ranks)
	}
}

// subtract takes a rule out of the index.
func (t *table[R]) subtract(number uint32) {
	boxes, ok := t.boxes(number)
	if !ok {
		t.loose = slices.DeleteFunc(slices.Clone(t.loose), func(n uint32) bool { return n == number })
	}
	for _, b := range boxes {
		t.index = t.index.without(b, t.ranks)
	}
}
