package policy

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// A Matcher is selectors made ready to be asked for every packet. It is
// immutable. The zero value covers nothing.
//
// Most selectors are a family's whole traffic, which is known without a look at
// memory elsewhere.
type Matcher struct {
	spans      []span
	all4, all6 bool
}

// A span is a Selector with its addresses as numbers.
type span struct {
	from, to number
	proto    uint8
	ports    Ports
}

// A number is an address as an integer of 128 bits, with its family, zero for
// none.
type number struct {
	hi, lo uint64
	bits   uint8
}

func numberOf(a netip.Addr) number {
	switch {
	case a.Is4():
		b := a.As4()
		return number{lo: uint64(binary.BigEndian.Uint32(b[:])), bits: 32}
	case a.Is6():
		b := a.As16()
		return number{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), 128}
	}
	return number{}
}

// atMost reports whether n <= o, both of one family.
func (n *number) atMost(o *number) bool { return n.hi < o.hi || n.hi == o.hi && n.lo <= o.lo }

// NewMatcher returns a Matcher for sel, of which it keeps no reference.
func NewMatcher(sel []Selector) Matcher {
	var m Matcher
	all := Everything()
	for _, s := range sel {
		switch s {
		case all[0]:
			m.all4 = true
		case all[1]:
			m.all6 = true
		default:
			m.spans = append(m.spans, span{numberOf(s.From), numberOf(s.To), s.Proto, s.Ports})
		}
	}
	m.spans = slices.Clip(m.spans)
	return m
}

// Touch brings what Covers needs into the processor's cache. The sum means
// nothing.
func (m *Matcher) Touch() (sum uint64) {
	if len(m.spans) > 0 {
		sum = m.spans[0].from.lo
	}
	return sum
}

// coversAll reports whether all traffic of the family of a is covered.
func (m *Matcher) coversAll(a netip.Addr) bool { return m.all4 && a.Is4() || m.all6 && a.Is6() }

// Covers is [Covers] for the Matcher's selectors.
func (m *Matcher) Covers(a netip.Addr, proto uint8, port uint16) bool {
	if m.coversAll(a) {
		return true
	}
	n := numberOf(a)
	for i := range m.spans {
		if s := &m.spans[i]; s.contains(&n, proto) && s.ports.Contains(port) {
			return true
		}
	}
	return false
}

// CoversFragment is [CoversFragment] for the Matcher's selectors.
func (m *Matcher) CoversFragment(a netip.Addr, proto uint8) bool {
	if m.coversAll(a) {
		return true
	}
	n := numberOf(a)
	for i := range m.spans {
		if s := &m.spans[i]; s.contains(&n, proto) && s.ports.Any() {
			return true
		}
	}
	return false
}

func (s *span) contains(n *number, proto uint8) bool {
	return n.bits == s.from.bits && n.bits != 0 && (s.proto == 0 || s.proto == proto) &&
		s.from.atMost(n) && n.atMost(&s.to)
}
