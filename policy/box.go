package policy

import (
	"math/bits"
	"net/netip"
	"slices"
)

// maxBoxes is into how many boxes the index cuts a rule. One that needs more
// stays outside and is tried on its own.
const maxBoxes = 256

// A family keeps what is not to be compared apart. Protocols and ports use
// family4.
type family uint8

const (
	familyAny family = iota // matches both, and an address that is neither
	family4
	family6
)

// A key is a prefix of one field of a flow, left-aligned and masked. The zero
// key is everything.
type key struct {
	hi, lo uint64
	bits   uint8
	family family
}

func addrKey(a netip.Addr) key {
	switch {
	case a.Is4():
		b := a.As4()
		return key{hi: be64(b[:]), bits: 32, family: family4}
	case a.IsValid() && a.Zone() == "": // no prefix holds an address with a zone
		b := a.As16()
		return key{hi: be64(b[:8]), lo: be64(b[8:]), bits: 128, family: family6}
	}
	return key{}
}

// be64 is the number that begins with the bytes b.
func be64(b []byte) (v uint64) {
	for i, c := range b {
		v |= uint64(c) << (56 - 8*i)
	}
	return v
}

func protoKey(proto uint8) key { return key{hi: uint64(proto) << 56, bits: 8, family: family4} }

func portKey(port uint16) key { return key{hi: uint64(port) << 48, bits: 16, family: family4} }

// cut is the first n bits of k.
func (k *key) cut(n uint8) key {
	hi, lo := mask(n)
	return key{hi: k.hi & hi, lo: k.lo & lo, bits: n, family: k.family}
}

// mask has its first n bits set.
func mask(n uint8) (hi, lo uint64) {
	if n <= 64 {
		return ^uint64(0) << (64 - n), 0
	}
	return ^uint64(0), ^uint64(0) << (128 - n)
}

// contains reports whether the full key o begins with k.
func (k *key) contains(o *key) bool {
	hi, lo := mask(k.bits)
	return (k.hi^o.hi)&hi|(k.lo^o.lo)&lo == 0 && (k.family == familyAny || k.family == o.family)
}

// A box is one combination of the values of a Match: one prefix, one protocol
// and one range of each side.
type box struct {
	dst, src     key
	dport, sport Ports
	rule         uint32 // the rule's number, which it keeps for life
	class        uint32
	proto        uint8
	anyProto     bool
}

// A field is a dimension in which the index divides boxes, in this order: a
// node that divides by ports thus holds boxes that differ in nothing else.
type field uint8

const (
	fieldDst field = iota
	fieldSrc
	fieldProto
	fieldDstPort
	fieldSrcPort
	numFields
)

// key is the narrowest prefix of field f that holds all of b.
func (b *box) key(f field) key {
	switch f {
	case fieldDst:
		return b.dst
	case fieldSrc:
		return b.src
	case fieldProto:
		if b.anyProto {
			return key{}
		}
		return protoKey(b.proto)
	case fieldDstPort:
		return b.dport.key()
	}
	return b.sport.key()
}

func (r Ports) key() key {
	common := uint8(bits.LeadingZeros16(r.Lo ^ r.Hi))
	if common == 0 {
		return key{}
	}
	k := portKey(r.Lo)
	return k.cut(common)
}

// boxes cuts m, unless it has too many combinations or an invalid prefix.
func (m *Match) boxes(rule, class uint32) (list []box, ok bool) {
	n := 1
	for _, values := range []int{len(m.Dst), len(m.Src), len(m.Proto), len(m.DstPorts), len(m.SrcPorts)} {
		if n *= max(values, 1); n > maxBoxes {
			return nil, false
		}
	}
	if slices.ContainsFunc(m.Dst, isInvalid) || slices.ContainsFunc(m.Src, isInvalid) {
		return nil, false
	}
	list = []box{{dport: AnyPorts(), sport: AnyPorts(), rule: rule, class: class, anyProto: true}}
	list = multiply(list, m.Dst, func(b *box, p netip.Prefix) { b.dst = prefixKey(p) })
	list = multiply(list, m.Src, func(b *box, p netip.Prefix) { b.src = prefixKey(p) })
	list = multiply(list, m.Proto, func(b *box, p uint8) { b.proto, b.anyProto = p, false })
	list = multiply(list, m.DstPorts, func(b *box, r Ports) { b.dport = r })
	list = multiply(list, m.SrcPorts, func(b *box, r Ports) { b.sport = r })
	return list, true
}

// multiply returns each of list with each of values; no values change nothing.
func multiply[V comparable](list []box, values []V, set func(*box, V)) []box {
	if len(values) == 0 {
		return list
	}
	out := make([]box, 0, len(list)*len(values))
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			continue
		}
		for _, b := range list {
			set(&b, v)
			out = append(out, b)
		}
	}
	return out
}

func isInvalid(p netip.Prefix) bool { return !p.IsValid() }

func prefixKey(p netip.Prefix) key {
	k := addrKey(p.Addr())
	return k.cut(uint8(p.Bits()))
}
