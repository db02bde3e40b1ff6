//go:build !amd64

package packet

// sumWide is for machines with a vector unit that this package knows.
func sumWide(b []byte, sum uint64) ([]byte, uint64) { return b, sum }

// copySum copies src to dst, which is as long, and adds it up.
func copySum(dst, src []byte) uint16 {
	copy(dst, src)
	return fold(sumWords(src, 0))
}
