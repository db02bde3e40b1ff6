package policy

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Ports is an inclusive range of ports. The zero value is port 0 alone; every
// port is AnyPorts.
type Ports struct{ Lo, Hi uint16 }

// AnyPorts is the range of all ports.
func AnyPorts() Ports { return Ports{0, 65535} }

// Any reports whether r is every port.
func (r Ports) Any() bool { return r == AnyPorts() }

// Contains reports whether port lies in r.
func (r Ports) Contains(port uint16) bool { return r.Lo <= port && port <= r.Hi }

// Covers reports whether every port of o lies in r.
func (r Ports) Covers(o Ports) bool { return r.Lo <= o.Lo && o.Hi <= r.Hi }

func (r Ports) intersect(o Ports) (Ports, bool) {
	both := Ports{max(r.Lo, o.Lo), min(r.Hi, o.Hi)}
	return both, both.Lo <= both.Hi
}

// String is "443", "5000-5999", or "*" for every port.
func (r Ports) String() string {
	switch {
	case r.Any():
		return "*"
	case r.Lo == r.Hi:
		return strconv.Itoa(int(r.Lo))
	}
	return fmt.Sprintf("%d-%d", r.Lo, r.Hi)
}

// A Selector is one traffic selector of one side of an SA: the addresses From
// to To, one protocol or, as 0, all of them, and a range of ports (RFC 7296,
// Section 3.13.1). From and To are of one family, unmapped and without zone,
// and From is not above To.
type Selector struct {
	From, To netip.Addr
	Proto    uint8 // 0 is any
	Ports    Ports
}

// RangeSelector selects all traffic of the addresses from to to.
func RangeSelector(from, to netip.Addr) Selector {
	return Selector{From: from, To: to, Ports: AnyPorts()}
}

// AddrSelector selects all traffic of one address.
func AddrSelector(a netip.Addr) Selector { return RangeSelector(a, a) }

// PrefixSelector selects all traffic of a prefix.
func PrefixSelector(p netip.Prefix) Selector {
	return RangeSelector(p.Masked().Addr(), lastAddr(p))
}

// PrefixSelectors is PrefixSelector for each of ps.
func PrefixSelectors(ps []netip.Prefix) []Selector {
	sel := make([]Selector, len(ps))
	for i, p := range ps {
		sel[i] = PrefixSelector(p)
	}
	return sel
}

// Everything selects all traffic of both families.
func Everything() []Selector {
	return []Selector{
		PrefixSelector(netip.PrefixFrom(netip.IPv4Unspecified(), 0)),
		PrefixSelector(netip.PrefixFrom(netip.IPv6Unspecified(), 0)),
	}
}

// lastAddr is the highest address of p.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Contains reports whether s selects traffic with this address, protocol and
// port.
func (s Selector) Contains(a netip.Addr, proto uint8, port uint16) bool {
	return s.containsAddr(a) && s.coversProto(proto) && s.Ports.Contains(port)
}

func (s Selector) containsAddr(a netip.Addr) bool {
	return s.sameFamily(a) && !a.Less(s.From) && !s.To.Less(a)
}

func (s Selector) sameFamily(a netip.Addr) bool { return s.From.Is4() == a.Is4() && a.IsValid() }

func (s Selector) coversProto(proto uint8) bool { return s.Proto == 0 || s.Proto == proto }

// Intersect is the traffic that both s and o select; ok is false where there is
// none.
func (s Selector) Intersect(o Selector) (both Selector, ok bool) {
	if !s.sameFamily(o.From) {
		return Selector{}, false
	}
	if s.Proto != o.Proto && s.Proto != 0 && o.Proto != 0 {
		return Selector{}, false
	}
	ports, ok := s.Ports.intersect(o.Ports)
	from, to := maxAddr(s.From, o.From), minAddr(s.To, o.To)
	if !ok || to.Less(from) {
		return Selector{}, false
	}
	return Selector{From: from, To: to, Proto: max(s.Proto, o.Proto), Ports: ports}, true
}

func maxAddr(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}

func minAddr(a, b netip.Addr) netip.Addr {
	if b.Less(a) {
		return b
	}
	return a
}
