package packet

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Checksum returns the Internet checksum (RFC 1071) of b. initial is a sum of
// 16-bit words to go on from, such as that of a pseudo-header; it need not be
// folded. An odd byte at the end counts as if a zero followed.
func Checksum(b []byte, initial uint32) uint16 {
	return ^fold(sumBytes(b, uint64(initial)))
}

// sumBytes adds b to sum in ones' complement, eight bytes at a time: that is
// congruent to adding it two at a time (RFC 1071, Section 2(C)).
func sumBytes(b []byte, sum uint64) uint64 {
	b, sum = sumWide(b, sum)
	return sumWords(b, sum)
}

// copySum copies src to dst, which is as long and no part of it, and adds it up.
func copySum(dst, src []byte) uint16 {
	n, sum := copyWide(dst, src)
	copy(dst[n:], src[n:])
	return fold(sumWords(src[n:], sum))
}

// sumWords is sumBytes on any machine.
func sumWords(b []byte, sum uint64) uint64 {
	var carry uint64
	for ; len(b) >= 64; b = b[64:] { // unrolled: the carry stays in the flag
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), 0)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[8:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[16:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[24:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[32:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[40:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[48:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[56:]), carry)
		sum, carry = bits.Add64(sum, 0, carry)
		sum += carry
	}
	carry = 0
	for ; len(b) >= 8; b = b[8:] {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
	}
	var last uint64
	if len(b) >= 4 {
		last = uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	for i, c := range b {
		last += uint64(c) << (24 - 8*i) // modulo 2^16-1 as good as in line behind
	}
	sum, carry = bits.Add64(sum, last, carry)
	return sum + carry
}

// sumHeader is sumWords of an IPv4 header, which mostly has no options.
func sumHeader(b []byte) uint64 {
	if len(b) != IPv4HeaderLen {
		return sumWords(b, 0)
	}
	sum, carry := bits.Add64(binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), 0)
	sum, carry = bits.Add64(sum, uint64(binary.BigEndian.Uint32(b[16:])), carry)
	return sum + carry
}

// fold brings a ones' complement sum down to 16 bits.
func fold(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// UpdateChecksum16 returns what the checksum sum becomes when a 16-bit field
// that it covers changes (RFC 1624, Section 3, equation 3).
func UpdateChecksum16(sum, from, to uint16) uint16 {
	return ^fold(uint64(^sum) + uint64(^from) + uint64(to))
}

// updateChecksum is UpdateChecksum16 for a change of several words: from and
// to have the same even length.
func updateChecksum(sum uint16, from, to []byte) uint16 {
	was := fold(sumBytes(from, 0))
	is := fold(sumBytes(to, 0))
	return UpdateChecksum16(sum, was, is)
}

// pseudoSum is the sum of the pseudo-header of h's upper-layer packet of n
// bytes, the same for IPv4 (RFC 793) and IPv6 (RFC 8200, Section 8.1) but for
// the size of the addresses.
func pseudoSum(h ipHeader, n int) uint32 {
	sum := addrSum(h.src) + addrSum(h.dst) + uint32(h.proto)
	return sum + uint32(n>>16) + uint32(n&0xffff)
}

func addrSum(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return uint32(fold(sumBytes(b[:], 0)))
	}
	b := a.As16()
	return uint32(fold(sumBytes(b[:], 0)))
}
