package policy

import (
	"math/bits"
	"slices"
)

// pageLen is how many nodes a page takes, on average.
const pageLen = 1024

// nodes are nodes by their hash, in one page or in many, so that a change copies
// only one of them.
type nodes struct {
	one  page
	many []*page // a power of two, instead of one; none while that is enough
	used int
}

// A page is an open hash table, at most three quarters full.
type page struct {
	list   []node // a power of two, or none
	used   int
	filter []uint64 // most hashes that are not here miss a bit here
}

// page is where h is. The top of a hash chooses it, the low end its slot and its
// bit.
func (s *nodes) page(h uint32) *page {
	if s.many == nil {
		return &s.one
	}
	return s.many[bits.RotateLeft32(h, 12)&uint32(len(s.many)-1)]
}

// get is the node of h, if there is one.
func (s *nodes) get(h uint32) *node {
	p := s.page(h)
	if len(p.list) == 0 {
		return nil
	}
	return p.find(h)
}

// may is 1 if there may be a node of h, else 0.
func (s *nodes) may(h uint32) int {
	p := s.page(h)
	if len(p.filter) == 0 {
		return 0
	}
	return int(p.filter[h>>6&uint32(len(p.filter)-1)] >> (h & 63) & 1)
}

// find is the node of h, or an empty one where it would be.
func (p *page) find(h uint32) *node {
	for i := int(h); ; i++ {
		if n := &p.list[i&(len(p.list)-1)]; n.empty() || n.hash == h {
			return n
		}
	}
}

// cloneFor copies what changes with the node of h.
func (s *nodes) cloneFor(h uint32) nodes {
	c := *s
	p := s.page(h)
	own := page{slices.Clone(p.list), p.used, slices.Clone(p.filter)}
	if c.many == nil {
		c.one = own
		return c
	}
	c.many = slices.Clone(s.many)
	c.many[slices.Index(s.many, p)] = &own
	return c
}

// put adds n, or replaces the one with its hash.
func (s *nodes) put(n node) {
	if s.used >= pageLen*max(1, len(s.many)) {
		s.divide(2 * max(1, len(s.many)))
	}
	if s.page(n.hash).put(n) {
		s.used++
	}
}

// put reports whether n is new.
func (p *page) put(n node) bool {
	if 4*p.used >= 3*len(p.list) {
		p.fill(max(4, 2*len(p.list)))
	}
	at := p.find(n.hash)
	added := at.empty()
	if added {
		p.used++
	}
	p.filter[n.hash>>6&uint32(len(p.filter)-1)] |= 1 << (n.hash & 63)
	*at = n
	return added
}

// drop removes the node of h.
func (s *nodes) drop(h uint32) {
	p := s.page(h)
	*p.find(h) = node{}
	p.fill(len(p.list))
	s.used--
}

// fill gives p a list of its own.
func (p *page) fill(size int) {
	old := *p
	*p = page{list: make([]node, size), filter: make([]uint64, max(1, size/4))}
	for n := range old.each {
		p.put(*n)
	}
}

// divide gives s so many pages.
func (s *nodes) divide(pages int) {
	old := *s
	*s = nodes{many: make([]*page, pages)}
	for i := range s.many {
		s.many[i] = new(page)
	}
	for n := range old.each {
		s.put(*n)
	}
}

// each yields every node.
func (s *nodes) each(yield func(*node) bool) {
	if s.many == nil {
		s.one.each(yield)
		return
	}
	for _, p := range s.many {
		for n := range p.each {
			if !yield(n) {
				return
			}
		}
	}
}

func (p *page) each(yield func(*node) bool) {
	for i := range p.list {
		if n := &p.list[i]; !n.empty() && !yield(n) {
			return
		}
	}
}
