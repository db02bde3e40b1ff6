package policy

import (
	"cmp"
	"slices"
)

// leafSize is how many boxes are scanned rather than divided further.
const leafSize = 16

// A node of the index holds boxes that have their key in the parent's field in
// common. It is immutable: a change returns a copy that shares what it can.
type node struct {
	key   key
	first uint32 // the first rule of all boxes beneath
	boxes []box  // of a leaf, in the rules' order
	*fork        // else
}

// A fork divides boxes by one field. A box is in one branch only, so a flow
// may have to look into several: one for each length of prefix.
type fork struct {
	field    field
	any      *node // boxes that do not ask for the field
	branches slots

	// A packet without ports asks here, not in the branches: the first box of
	// each class. Only where the field is fieldDstPort, and in the rules' order.
	heads []box
}

// ranks is the place of each rule, by its number.
type ranks []uint32

func (r ranks) compare(a, b uint32) int { return cmp.Compare(r[a], r[b]) }

func (r ranks) compareBoxes(a, b box) int { return r.compare(a.rule, b.rule) }

// newNode indexes boxes, which are in order. It keeps none of them.
func newNode(k key, boxes []box, f field) *node {
	if len(boxes) == 1 {
		// Most nodes are so: one allocation and fewer cache misses.
		one := &struct {
			node
			box [1]box
		}{box: [1]box{boxes[0]}}
		one.node = node{key: k, first: boxes[0].rule, boxes: one.box[:]}
		return &one.node
	}
	n := &node{key: k, first: boxes[0].rule}
	if len(boxes) <= leafSize || f == numFields {
		n.boxes = slices.Clone(boxes)
		return n
	}
	n.fork = &fork{field: f}
	groups := make(map[key][]box)
	for i := range boxes {
		k := boxes[i].key(f)
		groups[k] = append(groups[k], boxes[i])
	}
	for k, group := range groups {
		n.put(newNode(k, group, f+1))
	}
	if f == fieldDstPort {
		n.heads = heads(boxes)
	}
	return n
}

// heads are the boxes of list, which is in order, that are first of their class.
func heads(list []box) []box {
	var out []box
	seen := make(map[uint32]bool)
	for i := range list {
		if c := list[i].class; !seen[c] {
			seen[c] = true
			out = append(out, list[i])
		}
	}
	return out
}

// put makes child the branch for its key.
func (f *fork) put(child *node) {
	if child.key == (key{}) {
		f.any = child
		return
	}
	f.branches.put(child)
}

// branch is the node for exactly the key k.
func (f *fork) branch(k key) *node {
	if k == (key{}) {
		return f.any
	}
	return f.branches.get(&k)
}

// drop removes the branch for k.
func (f *fork) drop(k key) {
	if k == (key{}) {
		f.any = nil
		return
	}
	f.branches.drop(k)
}

// cloneFor copies what changes with the branch for k.
func (f *fork) cloneFor(k key) *fork {
	c := *f
	if k != (key{}) {
		c.branches = f.branches.cloneFor(&k)
	}
	return &c
}

// with is n with one more box. A nil n is empty. at is the field by which n
// divides or would.
func (n *node) with(k key, b box, r ranks, at field) *node {
	if n == nil {
		return newNode(k, []box{b}, at)
	}
	if n.fork == nil {
		i, _ := slices.BinarySearchFunc(n.boxes, b, r.compareBoxes)
		return newNode(k, slices.Insert(slices.Clone(n.boxes), i, b), at)
	}
	child := b.key(at)
	c := &node{key: k, first: n.first, fork: n.cloneFor(child)}
	if r[b.rule] < r[c.first] {
		c.first = b.rule
	}
	c.put(n.branch(child).with(child, b, r, at+1))
	if at == fieldDstPort {
		i, _ := slices.BinarySearchFunc(n.heads, b, r.compareBoxes)
		c.heads = heads(slices.Insert(slices.Clone(n.heads), i, b))
	}
	return c
}

// without is n without a box, nil if it was the last.
func (n *node) without(b box, r ranks) *node {
	if n.fork == nil {
		rest := slices.DeleteFunc(slices.Clone(n.boxes), func(o box) bool { return o == b })
		if len(rest) == 0 {
			return nil
		}
		return &node{key: n.key, first: rest[0].rule, boxes: rest}
	}
	k := b.key(n.field)
	c := &node{key: n.key, first: n.first, fork: n.cloneFor(k)}
	if child := n.branch(k).without(b, r); child != nil {
		c.put(child)
	} else if c.drop(k); c.any == nil && c.branches.used == 0 {
		return nil
	}
	if n.first == b.rule {
		c.first = c.firstOf(r)
	}
	if slices.Contains(n.heads, b) {
		all := c.all(nil)
		slices.SortFunc(all, r.compareBoxes)
		c.heads = heads(all)
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
	if f.any != nil && !yield(f.any) {
		return
	}
	f.branches.each(yield)
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
