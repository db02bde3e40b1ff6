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

// copyWide copies and sums as many of src's bytes to dst, which is as long, as the
// vector unit is good for, and returns how many those are.
func copyWide(dst, src []byte) (n int, sum uint64) {
	n = min(len(src), len(dst), MaxPacket) / blockLen
	if n < minBlocks || !cpu.X86.HasAVX2 {
		return 0, 0
	}
	return n * blockLen, uint64(bits.ReverseBytes16(fold(copyBlocks(&dst[0], &src[0], n))))
}
