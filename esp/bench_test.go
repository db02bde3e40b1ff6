package esp

import (
	"strconv"
	"testing"

	"warren/packet"
)

func TestAllocs(t *testing.T) {
	for _, s := range suites {
		sealer, opener := newPair(t, s)
		b, inner := packet.NewBatch(8, 1500), plaintext(1400)
		if n := testing.AllocsPerRun(50, func() {
			for _, p := range b {
				p.Set(inner)
			}
			sealer.SealBatch(b, testSPI, 1, packet.ProtoIPv4)
			for i, p := range b {
				if _, ok := opener.Open(p, uint64(i+1)); !ok {
					t.Fatal(p.Drop)
				}
			}
		}); n != 0 {
			t.Errorf("%v: sealing and opening a batch allocates %v times, want 0", s, n)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range []Suite{suites[1], suites[5], suites[7]} {
		for _, size := range []int{64, 512, 1400} {
			b.Run(s.String()+"/"+strconv.Itoa(size), func(b *testing.B) {
				sealer, _ := newPair(b, s)
				batch, inner := packet.NewBatch(64, 1500), plaintext(size)
				b.SetBytes(int64(size * len(batch)))
				for b.Loop() {
					for _, p := range batch { // in the time: a TUN read pays this copy too
						p.Set(inner)
					}
					sealer.SealBatch(batch, testSPI, 1, packet.ProtoIPv4)
				}
				b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "pkt/s")
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, s := range []Suite{suites[1], suites[5], suites[7]} {
		for _, size := range []int{64, 512, 1400} {
			b.Run(s.String()+"/"+strconv.Itoa(size), func(b *testing.B) {
				sealer, opener := newPair(b, s)
				sealed := newPacket(plaintext(size))
				sealer.Seal(sealed, testSPI, 1, packet.ProtoIPv4)
				p := packet.New(1500)
				b.SetBytes(int64(size))
				for b.Loop() {
					p.Set(sealed.Bytes())
					if _, ok := opener.Open(p, 1); !ok {
						b.Fatal(p.Drop)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pkt/s")
			})
		}
	}
}
