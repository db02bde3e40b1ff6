package dataplane

import (
	"fmt"
	"testing"

	"warren/nest"
	"warren/packet"
)

// BenchmarkFlowCache finds flows that are there, in turn.
func BenchmarkFlowCache(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		for _, n := range []int{1, 256, 1 << 14} {
			b.Run(fmt.Sprintf("v6=%t/flows=%d", v6, n), func(b *testing.B) {
				c, flows := newFlowCache[decided](1<<16), make([]packet.Flow, n)
				for i := range flows {
					flows[i] = packet.Flow{Src: addr(1, 1, v6), Dst: addr(2, 2, v6), Proto: 6, SrcPort: uint16(i), DstPort: 443}
					c.put(&flows[i], 1, decided{verdict: nest.Send})
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					c.get(&flows[i&(n-1)], 1)
					i++
				}
			})
		}
	}
}
