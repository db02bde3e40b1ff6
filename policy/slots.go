package policy

import (
	"math/bits"
	"slices"
)

const (
	pageMean   = 128 // nodes in a page when there are more than one
	filterBits = 2048
)

// slots are nodes by their key: a hash table in pages, so that a change copies
// only one of them, that knows which lengths of prefix it has.
type slots struct {
	pages   []*page // a power of two, or none
	used    int
	lengths [2][]uint8 // of family4 and family6; those that left may remain
}

// A page is an open hash table, at most three quarters full.
type page struct {
	filter [filterBits / 64]uint64 // most keys that are not here miss a bit here
	table  []slot
	used   int
}

type slot struct {
	hash  uint64
	child *node // nil: empty
}

// hash needs no seed: keys come from the configuration.
func (k *key) hash() uint64 {
	hi, lo := bits.Mul64(k.hi^0x9e3779b97f4a7c15^uint64(k.bits), 0xd6e8feb86659fd93^k.lo)
	return (hi ^ lo) * 0x9e3779b97f4a7c15
}

// The top of a hash chooses the page, its low end the slot, its middle the bit.
func (s *slots) page(h uint64) **page {
	return &s.pages[bits.RotateLeft64(h, 24)&uint64(len(s.pages)-1)]
}

func filterBit(h uint64) (word int, bit uint64) {
	return int(h>>16) & (filterBits/64 - 1), 1 << (h >> 22 & 63)
}

// get is the node whose key is k, or nil.
func (s *slots) get(k *key) *node {
	if len(s.pages) == 0 {
		return nil
	}
	h := k.hash()
	p := *s.page(h)
	if word, bit := filterBit(h); p.filter[word]&bit == 0 {
		return nil
	}
	return p.table[p.find(h, k)].child
}

// find is the slot of k, or the empty one where it would be.
func (p *page) find(h uint64, k *key) int {
	for i := int(h); ; i++ {
		i &= len(p.table) - 1
		if e := &p.table[i]; e.child == nil || e.hash == h && e.child.key == *k {
			return i
		}
	}
}

// put adds child, or replaces the one with its key.
func (s *slots) put(child *node) {
	if len(s.pages) == 0 || len(s.pages)*pageMean < s.used {
		s.rehash(max(1, 2*len(s.pages)))
	}
	h := child.key.hash()
	if (*s.page(h)).put(slot{h, child}) {
		s.used++
		s.note(&child.key)
	}
}

// put reports whether e is new.
func (p *page) put(e slot) bool {
	if 4*p.used >= 3*len(p.table) {
		p.fill(max(4, 2*len(p.table)), p.table)
	}
	at := &p.table[p.find(e.hash, &e.child.key)]
	added := at.child == nil
	if added {
		p.used++
	}
	word, bit := filterBit(e.hash)
	p.filter[word] |= bit
	*at = e
	return added
}

// fill gives p a table of its own for list.
func (p *page) fill(size int, list []slot) {
	*p = page{table: make([]slot, size)}
	for _, e := range list {
		if e.child != nil {
			p.put(e)
		}
	}
}

// note keeps the lengths, longest first: a host's rule tends to stand before
// its network's.
func (s *slots) note(k *key) {
	list := &s.lengths[k.family-1]
	if i, found := slices.BinarySearchFunc(*list, k.bits, func(a, b uint8) int { return int(b) - int(a) }); !found {
		*list = slices.Insert(slices.Clone(*list), i, k.bits)
	}
}

// drop removes the node whose key is k.
func (s *slots) drop(k key) {
	h := k.hash()
	p := *s.page(h)
	p.table[p.find(h, &k)].child = nil
	p.fill(len(p.table), p.table)
	s.used--
}

func (s *slots) rehash(size int) {
	old := s.pages
	*s = slots{pages: make([]*page, size)}
	for i := range s.pages {
		s.pages[i] = new(page)
	}
	for _, p := range old {
		for _, e := range p.table {
			if e.child != nil {
				(*s.page(e.hash)).put(e)
				s.note(&e.child.key)
				s.used++
			}
		}
	}
}

// cloneFor copies what changes with the node whose key is k.
func (s *slots) cloneFor(k *key) slots {
	c := *s
	if len(s.pages) > 0 {
		c.pages = slices.Clone(s.pages)
		at := c.page(k.hash())
		p := **at
		p.table = slices.Clone(p.table)
		*at = &p
	}
	return c
}

// each yields every node.
func (s *slots) each(yield func(*node) bool) bool {
	for _, p := range s.pages {
		for i := range p.table {
			if child := p.table[i].child; child != nil && !yield(child) {
				return false
			}
		}
	}
	return true
}
