package packet

import (
	"math/bits"

	"golang.org/x/sys/cpu"
)

const (
	blockLen = 64

	// minBlocks is from how many blocks on their sum is worth the call.
	minBlocks = 2
)

// sumBlocks adds n blocks from p on, as 32-bit words in the order of this
// machine. n is at least 1, and small enough for 64 bits.
//
//go:noescape
func sumBlocks(p *byte, n int) uint64

// sumWide adds as much of b to sum as the vector unit is good for, and returns
// what is left of b. A sum in the other byte order is the same sum with its bytes
// swapped (RFC 1071, Section 2(B)).
func sumWide(b []byte, sum uint64) ([]byte, uint64) {
	n := min(len(b), MaxPacket) / blockLen
	if n < minBlocks || !cpu.X86.HasAVX2 {
		return b, sum
	}
	wide := bits.ReverseBytes16(fold(sumBlocks(&b[0], n)))
	sum, carry := bits.Add64(sum, uint64(wide), 0)
	return b[n*blockLen:], sum + carry
}

// copyBlocks copies n blocks from src to dst, which do not overlap, and is
// sumBlocks of them.
//
//go:noescape
func copyBlocks(dst, src *byte, n int) uint64

// copySum copies src to dst, which is as long and no part of it, and adds it up.
func copySum(dst, src []byte) uint16 {
	n := min(len(src), MaxPacket) / blockLen
	if n < minBlocks || !cpu.X86.HasAVX2 {
		copy(dst, src)
		return fold(sumWords(src, 0))
	}
	_ = dst[n*blockLen-1]
	sum := bits.ReverseBytes16(fold(copyBlocks(&dst[0], &src[0], n)))
	copy(dst[n*blockLen:], src[n*blockLen:])
	return fold(sumWords(src[n*blockLen:], uint64(sum)))
}
