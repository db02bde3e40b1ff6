package policy

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// A family is a set of what is not to be compared with each other. Protocols and
// ports pass for family4.
type family uint8

const (
	family4 family = 1 << iota
	family6
	familyNone // an address that is neither

	numFamilies = 2 // that prefixes have
)

// bits128 are the bits of a value, left-aligned.
type bits128 struct{ hi, lo uint64 }

// A length says how many of the bits of each half count, and what is never equal:
// so a comparison needs no case distinction. The zero length is that of
// everything.
type length struct {
	hiBits, loBits uint8
	not            family
}

func newLength(n uint8, of family) length {
	return length{min(n, 64), n - min(n, 64), ^of}
}

func (l length) bits() uint8 { return l.hiBits + l.loBits }

// index is 0 for IPv4 and 1 for IPv6. It is not for the zero length.
func (l length) index() int { return bits.TrailingZeros8(uint8(^l.not)) }

// differ is not zero where a and b differ in a bit that counts.
func (l length) differ(a, b *bits128) uint64 {
	return (a.hi^b.hi)>>(64-l.hiBits) | (a.lo^b.lo)>>(64-l.loBits)
}

// A key is a prefix of one field of a flow, masked. The zero key is everything.
type key struct {
	bits128
	length
}

// An address is one of a flow.
type address struct {
	bits128
	family
}

func newAddress(a netip.Addr) address {
	switch {
	case a.Is4():
		b := a.As4()
		return address{bits128{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}, family4}
	case a.IsValid() && a.Zone() == "": // no prefix holds an address with a zone
		b := a.As16()
		return address{bits128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}, family6}
	}
	return address{family: familyNone}
}

// cut is the first n bits of a.
func (a *address) cut(n uint8) key {
	l := newLength(n, a.family)
	return key{bits128{a.hi &^ (1<<(64-l.hiBits) - 1), a.lo &^ (1<<(64-l.loBits) - 1)}, l}
}

func prefixKey(p netip.Prefix) key {
	a := newAddress(p.Addr())
	return a.cut(uint8(p.Bits()))
}

// portKey is the narrowest prefix that holds all of r.
func portKey(r Ports) key {
	common := uint8(bits.LeadingZeros16(r.Lo ^ r.Hi))
	if common == 0 {
		return key{}
	}
	a := address{bits128{hi: uint64(r.Lo) << 48}, family4}
	return a.cut(common)
}

// serviceKey is a protocol, and the ports of r behind it.
func serviceKey(proto uint8, r Ports) key {
	k := portKey(r)
	return key{bits128{hi: uint64(proto)<<56 | k.hi>>8}, newLength(8+k.bits(), family4)}
}

// hash needs no seed: keys come from the configuration.
func (k *key) hash() uint64 {
	hi, lo := bits.Mul64(k.hi^0x9e3779b97f4a7c15^uint64(k.bits()), 0xd6e8feb86659fd93^k.lo)
	return (hi ^ lo) * 0x9e3779b97f4a7c15
}

// short is the hash among the branches of a fork, 0 for everything alone. Keys that
// share one share a branch: who looks into it looks at all of a box.
func (k *key) short() uint32 {
	if k.length == (length{}) {
		return 0
	}
	return max(uint32(k.hash()>>32), 1)
}

// A lengthSet are numbers of bits.
type lengthSet [3]uint64

func (s *lengthSet) add(n uint8) { s[n/64] |= 1 << (n % 64) }
