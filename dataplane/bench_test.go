package dataplane

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strconv"
	"testing"

	"warren/packet"
)

func BenchmarkEgress(b *testing.B) {
	for _, name := range []string{"udp tunnel", "three, families mixed"} {
		for _, size := range []int{64, 1200} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				x := newBench(b, name, size)
				for b.Loop() {
					x.seal()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batchLen), "ns/packet")
			})
		}
	}
}

// BenchmarkBoth includes egress: a packet can be opened only once.
func BenchmarkBoth(b *testing.B) {
	for _, name := range []string{"udp tunnel", "three, families mixed"} {
		for _, size := range []int{64, 1200} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				x := newBench(b, name, size)
				for b.Loop() {
					x.keep()
					x.seal()
					x.open()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batchLen), "ns/packet")
			})
		}
	}
}

// BenchmarkBare is the cipher call alone, to hold the others against.
func BenchmarkBare(b *testing.B) {
	for _, size := range []int{64, 1200} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			block, _ := aes.NewCipher(make([]byte, 16))
			aead, _ := cipher.NewGCM(block)
			buf, nonce, aad := make([]byte, size+16), make([]byte, 12), make([]byte, 12)
			for b.Loop() {
				aead.Seal(buf[:0], nonce, buf[:size], aad)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
		})
	}
}

// BenchmarkSuper seals super-packets of 32 segments.
func BenchmarkSuper(b *testing.B) {
	for _, name := range []string{"udp tunnel", "three, families mixed"} {
		b.Run(name, func(b *testing.B) {
			x := newBench(b, name, 1200)
			from, to := x.ends(false)
			data := datagram(from, to, 28+32*1172, 1)
			p := packet.New(len(data))
			for b.Loop() {
				p.Set(data)
				p.Segment = 1172
				_ = x.a.dp.egress[0].batch(packet.Batch{p})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*32), "ns/packet")
		})
	}
}
