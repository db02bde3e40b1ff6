package dataplane

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"warren/esp"
	"warren/packet"
)

// A bare is the cipher alone: as many packets of one size as a batch has, sealed
// and opened in bursts of their own.
type bare struct {
	sealer *esp.Sealer
	opener *esp.Opener
	b      packet.Batch
	plain  []byte
	seal   esp.SealBurst
	open   esp.OpenBurst
}

func newBare(t testing.TB, size int) *bare {
	key := bytes.Repeat([]byte{7}, suite.KeyLen())
	sealer, err := esp.NewSealer(suite, key)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := esp.NewOpener(suite, key)
	if err != nil {
		t.Fatal(err)
	}
	return &bare{sealer: sealer, opener: opener, b: packet.NewBatch(batchLen, 2048), plain: make([]byte, size-2)}
}

// times returns what it takes to encrypt all packets, and to decrypt them.
func (x *bare) times() (seal, open time.Duration) {
	for i, p := range x.b {
		p.Set(x.plain)
		x.sealer.Add(&x.seal, p, 0x1001, uint64(i+1), packet.ProtoIPv4)
	}
	start := time.Now()
	x.seal.Run()
	seal = time.Since(start)
	for i, p := range x.b {
		x.opener.Add(&x.open, p, uint64(i+1))
	}
	start = time.Now()
	x.open.Run()
	return seal, time.Since(start)
}

// BenchmarkPath is the way of a packet in process, out from the TUN's buffer to
// the socket's, with parsing, flow cache and all layers, and in from the socket's
// to the TUN's: ns per packet, and as a multiple of the cipher alone on a packet
// of that size ("xcipher"), which is measured in turn with it. Packets are made
// between the measurements.
func BenchmarkPath(b *testing.B) {
	for _, size := range []int{64, 1400} {
		for layers := 1; layers <= 4; layers++ {
			b.Run(fmt.Sprintf("%d/%d", size, layers), func(b *testing.B) {
				benchmarkPath(b, layers, size)
			})
		}
	}
}

func benchmarkPath(b *testing.B, layers, size int) {
	specs := []layerSpec{{esp.Tunnel, packet.EncapUDP, false}}
	for len(specs) < layers {
		specs = append(specs, layerSpec{esp.Tunnel, packet.EncapNone, false})
	}
	x, cipher := newBenchOf(b, specs, size), newBare(b, size)
	x.a.bundle.MTU = 1500 // more than would fit the network: nobody looks
	var out, in, seal, open time.Duration
	for b.Loop() {
		x.fill()
		x.keep()
		start := time.Now()
		x.sealFilled()
		out += time.Since(start)
		s, o := cipher.times()
		seal += s
		start = time.Now()
		x.open()
		in += time.Since(start)
		open += o
	}
	if c := x.pair.b.dp.Counters(); c.ToTUN != uint64(b.N*batchLen) {
		b.Fatalf("%d of %d packets came through", c.ToTUN, b.N*batchLen)
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N*batchLen) }
	b.ReportMetric(per(out), "ns-out")
	b.ReportMetric(float64(out)/float64(seal), "xcipher-out")
	b.ReportMetric(per(in), "ns-in")
	b.ReportMetric(float64(in)/float64(open), "xcipher-in")
	b.ReportMetric(per(seal), "ns-seal")
	b.ReportMetric(per(open), "ns-open")
	b.ReportMetric(0, "ns/op")
}
