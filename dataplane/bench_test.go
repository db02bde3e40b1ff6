package dataplane

import (
	"fmt"
	"testing"
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
