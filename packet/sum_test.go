package packet

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// same compares two sums: all zeros and all ones are one number.
func same(a, b uint16) bool { return a%0xffff == b%0xffff }

// TestSumLengths takes each length and alignment around the blocks, with bytes
// that carry the most.
func TestSumLengths(t *testing.T) {
	buf := bytes.Repeat([]byte{0xff, 0xfe, 0x01, 0x80, 0xff, 0x7f, 0xff}, 60)
	for from := range 33 {
		for n := range 4*64 + 3 {
			b := buf[from : from+n]
			if got, want := fold(sumBytes(b, 0)), ^slowSum(b); !same(got, want) {
				t.Fatalf("%d bytes from %d: sum %#04x, want %#04x", n, from, got, want)
			}
		}
	}
	for _, n := range []int{65535, 65536, 1 << 17} {
		b := bytes.Repeat([]byte{0xff}, n)
		if got, want := fold(sumBytes(b, 0)), ^slowSum(b); !same(got, want) {
			t.Errorf("%d bytes of ff: sum %#04x, want %#04x", n, got, want)
		}
	}
}

func TestSumRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "bytes")
		first := rapid.Uint32().Draw(t, "initial")
		got := fold(sumBytes(b, uint64(first)))
		if words := fold(sumWords(b, uint64(first))); !same(got, words) {
			t.Fatalf("sum %#04x, by words %#04x", got, words)
		}
		if want := fold(uint64(^slowSum(b)) + uint64(first)); !same(got, want) {
			t.Fatalf("sum %#04x, want %#04x", got, want)
		}
	})
}

// TestCopySum copies each length, and nothing behind it.
func TestCopySum(t *testing.T) {
	buf := bytes.Repeat([]byte{0xff, 0xfe, 0x01, 0x80, 0xff, 0x7f, 0xff}, 60)
	for from := range 33 {
		for n := range 4*64 + 3 {
			src, dst := buf[from:from+n], make([]byte, 300)
			got := copySum(dst[:n], src)
			if want := ^slowSum(src); !same(got, want) {
				t.Fatalf("%d bytes from %d: sum %#04x, want %#04x", n, from, got, want)
			}
			if !bytes.Equal(dst[:n], src) || !bytes.Equal(dst[n:], make([]byte, 300-n)) {
				t.Fatalf("%d bytes from %d are copied as % x", n, from, dst)
			}
		}
	}
	big := bytes.Repeat([]byte{0xff}, MaxPacket)
	if got, want := copySum(make([]byte, MaxPacket), big), ^slowSum(big); !same(got, want) {
		t.Errorf("all ones: sum %#04x, want %#04x", got, want)
	}
}

func BenchmarkSum(b *testing.B) {
	buf := make([]byte, 1380)
	for _, c := range []struct {
		name string
		sum  func([]byte, uint64) uint64
	}{{"best", sumBytes}, {"words", sumWords}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				c.sum(buf, 0)
			}
		})
	}
}

// TestCovered holds covered to the sum of the pseudo-header and of what follows the
// IP header, whatever is between them.
func TestCovered(t *testing.T) {
	ip := make([]byte, 200)
	for i := range ip {
		ip[i] = byte(7*i + 1)
	}
	for _, v6 := range []bool{false, true} {
		for n := IPv4HeaderLen; n <= 80; n += 4 {
			s := shape{v6: v6, proto: ProtoTCP, headerLen: n}
			if v6 && n < IPv6HeaderLen {
				continue
			}
			want := fold(sumWords(ip[n:], s.pseudo(ip, len(ip)-n)))
			if got := fold(s.covered(ip)); got != want {
				t.Errorf("IPv6 %v, header of %d bytes: %#x, want %#x", v6, n, got, want)
			}
		}
	}
}
