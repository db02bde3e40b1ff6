package policy

import "math/bits"

const (
	numCoarse = 4               // coarse lengths of a family
	numGrades = 1 + 2*numCoarse // of both, and none
)

// coarse are lengths of prefixes of IPv4 and of IPv6, as many rules have them.
func coarse(index int) [numCoarse]uint8 {
	if index == 0 {
		return [numCoarse]uint8{8, 16, 24, 32}
	}
	return [numCoarse]uint8{32, 48, 64, 128}
}

// A grade is a coarse length of a family: 0 stands for less than the first of
// either, then come those of IPv4 and those of IPv6.
type grade uint8

func firstGrade(index int) grade { return grade(1 + index*numCoarse) }

// gradeOf is the longest grade that is not longer than l.
func gradeOf(l length) (g grade) {
	if l == (length{}) {
		return 0
	}
	for i, n := range coarse(l.index()) {
		if n <= l.bits() {
			g = firstGrade(l.index()) + grade(i)
		}
	}
	return g
}

// hashes are an address's by all grades that it has.
type hashes [numGrades]uint64

// set makes h those of a and returns the grades it has, as a set.
func (h *hashes) set(a *address) (grades uint16) {
	if a.family == familyNone {
		return 1
	}
	index := bits.TrailingZeros8(uint8(a.family))
	first := firstGrade(index)
	for i, n := range coarse(index) {
		k := a.cut(n)
		h[int(first)+i] = k.hash()
	}
	return 1 | (1<<numCoarse-1)<<first
}

// An index finds the boxes that may hold a flow by both addresses at once: each is
// with those that agree with it in destination and source, as far as its grades
// reach. So a look-up asks for each pair of grades, all of them before it waits
// for the answer of any, and has few to look at. It is immutable.
type index struct {
	pairs   nodes
	present [numGrades]uint16 // of each grade of destinations, the grades of sources; those that left may remain
}

// pair is the hash of a pair.
func pair(dst, src uint64) uint32 { return uint32((dst + bits.RotateLeft64(src, 29)) >> 32) }

func (b *box) pair() (hash uint32, dst, src grade) {
	var d, s hashes
	d.set(&address{b.dst, ^b.dstLen.not})
	s.set(&address{b.src, ^b.srcLen.not})
	dst, src = gradeOf(b.dstLen), gradeOf(b.srcLen)
	return pair(d[dst], s[src]), dst, src
}

func newIndex(boxes []box) *index {
	x := &index{}
	groups := make(map[uint32][]box)
	for i := range boxes {
		h, dst, src := boxes[i].pair()
		groups[h] = append(groups[h], boxes[i])
		x.present[dst] |= 1 << src
	}
	for h, group := range groups {
		x.pairs.put(newNode(h, group, 0))
	}
	return x
}

// with is x with one more box.
func (x *index) with(b box, r ranks) *index {
	h, dst, src := b.pair()
	c := *x
	c.present[dst] |= 1 << src
	c.pairs = x.pairs.cloneFor(h)
	c.pairs.put(x.pairs.get(h).with(h, b, r))
	return &c
}

// without is x without a box.
func (x *index) without(b box, r ranks) *index {
	h, _, _ := b.pair()
	c := *x
	c.pairs = x.pairs.cloneFor(h)
	if n := x.pairs.get(h).without(b, r); n.empty() {
		c.pairs.drop(h)
	} else {
		c.pairs.put(n)
	}
	return &c
}
