package policy

import (
	"math/bits"
	"slices"
)

// slots are nodes by their key: an open hash table, at most half full, that
// knows which lengths of prefix it has.
type slots struct {
	table   []slot
	used    int
	lengths [2][]uint8 // in use, of family4 and family6
}

type slot struct {
	child  *node // nil: empty
	hash   uint32
	bits   uint8
	family family
}

// hash needs no seed: keys come from the configuration.
func (k *key) hash() uint32 {
	hi, lo := bits.Mul64(k.hi^0x9e3779b97f4a7c15^uint64(k.bits), 0xd6e8feb86659fd93^k.lo)
	return uint32((hi ^ lo) * 0x9e3779b97f4a7c15 >> 32)
}

// get is the node whose key is k, or nil.
func (s *slots) get(k *key) *node {
	if s.used == 0 {
		return nil
	}
	h := k.hash()
	for i := int(h); ; i++ {
		e := &s.table[i&(len(s.table)-1)]
		if e.child == nil || e.hash == h && e.child.key == *k {
			return e.child
		}
	}
}

// put adds child, or replaces the one with its key.
func (s *slots) put(child *node) {
	if 2*(s.used+1) > len(s.table) {
		s.rehash(max(4, 2*len(s.table)), key{})
	}
	s.insert(slot{child, child.key.hash(), child.key.bits, child.key.family})
}

func (s *slots) insert(e slot) {
	for i := int(e.hash); ; i++ {
		old := &s.table[i&(len(s.table)-1)]
		if old.child == nil {
			s.used++
			s.note(e)
		} else if old.hash != e.hash || old.child.key != e.child.key {
			continue
		}
		*old = e
		return
	}
}

// note keeps the lengths, longest first: a host's rule tends to stand before
// its network's.
func (s *slots) note(e slot) {
	list := &s.lengths[e.family-1]
	if i, found := slices.BinarySearchFunc(*list, e.bits, func(a, b uint8) int { return int(b) - int(a) }); !found {
		*list = slices.Insert(slices.Clone(*list), i, e.bits)
	}
}

// drop removes the node whose key is k.
func (s *slots) drop(k key) { s.rehash(len(s.table), k) }

// rehash moves all but the node for k to a new table.
func (s *slots) rehash(size int, k key) {
	old := s.table
	*s = slots{table: make([]slot, size)}
	for _, e := range old {
		if e.child != nil && (e.bits != k.bits || e.family != k.family || e.child.key != k) {
			s.insert(e)
		}
	}
}

func (s *slots) clone() slots {
	c := *s
	c.table = slices.Clone(s.table)
	return c
}
