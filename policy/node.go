package policy

import (
	"cmp"
	"slices"
)

// leafSize is how many boxes are scanned rather than divided further.
const leafSize = 16

// A node holds boxes, as a leaf or by a fork. What it refers to is immutable: a
// change returns a node that shares what it can.
type node struct {
	hash  uint32 // of its key, among its siblings
	first uint32 // the first rule of all boxes beneath
	boxes []box  // of a leaf, in the rules' order
	*fork        // else
}

// A fork divides boxes by the hashes of one field's keys. A box is in one branch
// only, so a flow may have to look into several: one for each length of prefix.
type fork struct {
	branches nodes
	lengths  [numFamilies]lengthSet // of the keys; those that left may remain
	any      node                   // boxes that do not ask for the field
	field    field

	// A packet without ports asks here, not in the branches: the boxes that are
	// first among those that differ in class and ports only. Where the field has
	// ports, and in the rules' order.
	heads []box

	like box // has the hashes of all boxes beneath in the fields before
}

// ranks is the place of each rule, by its number.
type ranks []uint32

func (r ranks) compare(a, b uint32) int { return cmp.Compare(r[a], r[b]) }

func (r ranks) compareBoxes(a, b box) int { return r.compare(a.rule, b.rule) }

// empty reports whether n, which may be nil, holds nothing.
func (n *node) empty() bool { return n == nil || n.boxes == nil && n.fork == nil }

// leaf keeps boxes, which are in order.
func leaf(hash uint32, boxes []box) node {
	if len(boxes) == 0 {
		return node{}
	}
	return node{hash: hash, first: boxes[0].rule, boxes: boxes}
}

// newNode indexes boxes, which are in order and have the same hashes in the fields
// before f. It keeps none of them.
func newNode(hash uint32, boxes []box, f field) node {
	for f < numFields && agree(boxes, f) {
		f++
	}
	if len(boxes) <= leafSize || f == numFields {
		return leaf(hash, slices.Clone(boxes))
	}
	n := newFork(hash, f, &boxes[0])
	groups := make(map[uint32][]box)
	for _, b := range boxes {
		h := b.hash(f)
		groups[h] = append(groups[h], b)
		n.note(&b)
	}
	for h, group := range groups {
		n.put(h, newNode(h, group, f+1))
	}
	n.setHeads(boxes)
	return n
}

func newFork(hash uint32, f field, like *box) node {
	return node{hash: hash, first: like.rule, fork: &fork{field: f, like: *like}}
}

func agree(boxes []box, f field) bool {
	h := boxes[0].hash(f)
	return !slices.ContainsFunc(boxes, func(b box) bool { return b.hash(f) != h })
}

// setHeads makes heads from list, which is in order and has all boxes that may be
// among them.
func (f *fork) setHeads(list []box) {
	if f.field < fieldService {
		return
	}
	f.heads = nil
	seen := make(map[box]bool)
	for _, b := range list {
		like := b
		like.rule, like.dport, like.sport = 0, Ports{}, Ports{}
		if !seen[like] {
			seen[like] = true
			f.heads = append(f.heads, b)
		}
	}
}

// branch is the node of h, if there is one.
func (f *fork) branch(h uint32) *node {
	if h == 0 {
		return &f.any
	}
	return f.branches.get(h)
}

// note has look-ups ask for keys as long as that of b.
func (f *fork) note(b *box) {
	if k := b.key(f.field); k.length != (length{}) {
		f.lengths[k.index()].add(k.bits())
	}
}

// put makes n the branch of h. An empty n takes it away.
func (f *fork) put(h uint32, n node) {
	switch {
	case h == 0:
		f.any = n
	case n.empty():
		f.branches.drop(h)
	default:
		f.branches.put(n)
	}
}

// cloneFor is n for a change of the branch of h.
func (n *node) cloneFor(h uint32) node {
	c, f := *n, *n.fork
	if h != 0 {
		f.branches = f.branches.cloneFor(h)
	}
	c.fork = &f
	return c
}

// with is n with one more box, under a hash. n may be nil.
func (n *node) with(hash uint32, b box, r ranks) node {
	if n.empty() {
		return leaf(hash, []box{b})
	}
	if n.fork == nil {
		return newNode(hash, insert(n.boxes, b, r), 0)
	}
	c := n.forkFor(&b)
	h := b.hash(c.field)
	c.note(&b)
	c.put(h, c.branch(h).with(h, b, r))
	if r[b.rule] < r[c.first] {
		c.first = b.rule
	}
	c.setHeads(insert(c.heads, b, r))
	return c
}

// forkFor is a copy of n, or a fork above it by the first field in which b has
// another hash than the boxes beneath.
func (n *node) forkFor(b *box) node {
	for f := range n.field {
		if h := n.like.hash(f); h != b.hash(f) {
			c, below := newFork(n.hash, f, &n.like), *n
			below.hash = h
			c.first = n.first
			for _, b := range n.all(nil) {
				c.note(&b)
			}
			c.put(h, below)
			c.setHeads(n.heads)
			return c
		}
	}
	return n.cloneFor(b.hash(n.field))
}

// insert is list with b, in order.
func insert(list []box, b box, r ranks) []box {
	i, _ := slices.BinarySearchFunc(list, b, r.compareBoxes)
	return slices.Insert(slices.Clone(list), i, b)
}

// without is n without a box, empty if it was the last.
func (n *node) without(b box, r ranks) node {
	if n.fork == nil {
		return leaf(n.hash, slices.DeleteFunc(slices.Clone(n.boxes), func(o box) bool { return o == b }))
	}
	h := b.hash(n.field)
	c := n.cloneFor(h)
	c.put(h, n.branch(h).without(b, r))
	if c.any.empty() && c.branches.used == 0 {
		return node{}
	}
	if n.first == b.rule {
		c.first = c.firstOf(r)
	}
	if slices.Contains(n.heads, b) {
		all := c.all(nil)
		slices.SortFunc(all, r.compareBoxes)
		c.setHeads(all)
	}
	return c
}

// firstOf is the first rule of the branches.
func (f *fork) firstOf(r ranks) uint32 {
	first, found := uint32(0), false
	for child := range f.each {
		if !found || r[child.first] < r[first] {
			first, found = child.first, true
		}
	}
	return first
}

// each yields every branch.
func (f *fork) each(yield func(*node) bool) {
	if f.any.empty() || yield(&f.any) {
		f.branches.each(yield)
	}
}

// all appends the boxes of n, in no order.
func (n *node) all(list []box) []box {
	if n.fork == nil {
		return append(list, n.boxes...)
	}
	for child := range n.each {
		list = child.all(list)
	}
	return list
}
