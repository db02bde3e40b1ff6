package dataplane

import (
	"bytes"
	"fmt"
	"slices"
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
	seal = timed(x.seal.Run)
	for i, p := range x.b {
		x.opener.Add(&x.open, p, uint64(i+1))
	}
	return seal, timed(x.open.Run)
}

// BenchmarkPath is the way of a packet in process, out from the TUN's buffer to
// the socket's, with parsing, flow cache and all layers, and in from the socket's
// to the TUN's: ns per packet, and as a multiple of the cipher alone on a packet
// of that size ("xcipher"), measured in turn with it. All are medians over
// batches, as what else runs on the machine disturbs some of them. Packets are
// made between the measurements.
func BenchmarkPath(b *testing.B) {
	for _, size := range []int{64, 512, 1400} {
		for layers := 1; layers <= 4; layers++ {
			b.Run(fmt.Sprintf("%s/layers=%d/%d", esp.Backend(), layers, size), func(b *testing.B) {
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
	var out, in, seal, open []time.Duration
	for b.Loop() {
		x.fill()
		out = append(out, timed(x.sealFilled))
		x.keep()
		_, _ = x.net.WriteBatch(x.b)
		in = append(in, timed(x.open))
		s, o := cipher.times()
		seal, open = append(seal, s), append(open, o)
	}
	if c := x.pair.b.dp.Counters(); c.ToTUN != uint64(b.N*batchLen) {
		b.Fatalf("%d of %d packets came through", c.ToTUN, b.N*batchLen)
	}
	report(b, "out", median(out), median(seal))
	report(b, "in", median(in), median(open))
	b.ReportMetric(0, "ns/op")
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// median is in ns per packet.
func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Nanoseconds()) / batchLen
}

func report(b *testing.B, way string, path, cipher float64) {
	b.ReportMetric(path, "ns-"+way)
	b.ReportMetric(cipher, "cipher-ns-"+way)
	b.ReportMetric(path/cipher, "xcipher-"+way)
}
