package policy

import (
	"net/netip"
	"slices"
)

// Covers reports whether one of sel selects traffic with this address, protocol
// and port.
func Covers(sel []Selector, a netip.Addr, proto uint8, port uint16) bool {
	for i := range sel {
		if sel[i].Contains(a, proto, port) {
			return true
		}
	}
	return false
}

// CoversFragment is Covers for a packet whose ports are not known, a non-initial
// fragment: only a selector for every port covers it (RFC 4301, Section 7.1).
func CoversFragment(sel []Selector, a netip.Addr, proto uint8) bool {
	for i := range sel {
		if sel[i].Ports.Any() && sel[i].Contains(a, proto, 0) {
			return true
		}
	}
	return false
}

// CoversAddr reports whether sel selects all traffic of a, whatever its protocol
// and ports.
func CoversAddr(sel []Selector, a netip.Addr) bool {
	return CoversSelector(sel, AddrSelector(a))
}

// CoversSelector reports whether all traffic that s selects is selected by sel,
// by one of its members or by several together. Protocols do not add up: only a
// selector for any protocol covers one for any protocol.
func CoversSelector(sel []Selector, s Selector) bool {
	rest := []Selector{s}
	for _, c := range sel {
		var left []Selector
		for _, r := range rest {
			left = append(left, subtract(r, c)...)
		}
		rest = left
	}
	return len(rest) == 0
}

// CoversAll reports whether sel covers each of want.
func CoversAll(sel, want []Selector) bool {
	for _, w := range want {
		if !CoversSelector(sel, w) {
			return false
		}
	}
	return true
}

// subtract is what is left of s without the traffic of c: up to two slices of
// addresses below and above c, and up to two of ports.
func subtract(s, c Selector) []Selector {
	both, ok := s.Intersect(c)
	if !ok || !c.coversProto(s.Proto) {
		return []Selector{s}
	}
	var left []Selector
	add := func(from, to netip.Addr, ports Ports) {
		left = append(left, Selector{From: from, To: to, Proto: s.Proto, Ports: ports})
	}
	if s.From.Less(both.From) {
		add(s.From, both.From.Prev(), s.Ports)
	}
	if both.To.Less(s.To) {
		add(both.To.Next(), s.To, s.Ports)
	}
	if s.Ports.Lo < both.Ports.Lo {
		add(both.From, both.To, Ports{s.Ports.Lo, both.Ports.Lo - 1})
	}
	if both.Ports.Hi < s.Ports.Hi {
		add(both.From, both.To, Ports{both.Ports.Hi + 1, s.Ports.Hi})
	}
	return left
}

// Intersect is the traffic that both a and b select, in a's order; nil where
// there is none. Neither empty list stands for everything.
func Intersect(a, b []Selector) []Selector {
	var out []Selector
	for _, s := range a {
		for _, o := range b {
			if both, ok := s.Intersect(o); ok {
				out = appendNew(out, both)
			}
		}
	}
	return out
}

// appendNew appends s unless a member of list covers it already.
func appendNew(list []Selector, s Selector) []Selector {
	for _, o := range list {
		if both, ok := o.Intersect(s); ok && both == s {
			return list
		}
	}
	return append(list, s)
}

// Prefixes are the fewest prefixes that hold the addresses of each of sel,
// without repetition.
func Prefixes(sel []Selector) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range sel {
		for from := s.From; from.IsValid() && !s.To.Less(from); {
			p := widest(from, s.To)
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
			from = lastAddr(p).Next()
		}
	}
	return out
}

// widest is the largest prefix that begins at from and does not pass to.
func widest(from, to netip.Addr) netip.Prefix {
	for bits := range from.BitLen() {
		p := netip.PrefixFrom(from, bits)
		if p.Masked() == p && !to.Less(lastAddr(p)) {
			return p
		}
	}
	return netip.PrefixFrom(from, from.BitLen())
}
