package esp

import (
	"strconv"
	"testing"

	"warren/packet"
)

// A benchPair is a Sealer, its Opener, and a full burst for them.
type benchPair struct {
	sealer *Sealer
	opener *Opener
	b      packet.Batch
	inner  []byte
	seal   SealBurst
	open   OpenBurst
}

func newBenchPair(t testing.TB, s Suite, size int) *benchPair {
	x := &benchPair{b: packet.NewBatch(BurstLen, size), inner: plaintext(size)}
	x.sealer, x.opener = newPair(t, s)
	return x
}

// refill stands for the read of a TUN.
func (x *benchPair) refill() {
	for _, p := range x.b {
		p.Set(x.inner)
	}
}

func (x *benchPair) sealAll() {
	for i, p := range x.b {
		x.sealer.Add(&x.seal, p, testSPI, uint64(i+1), packet.ProtoIPv4)
	}
	x.seal.Run()
}

func (x *benchPair) openAll(t testing.TB) {
	for i, p := range x.b {
		x.opener.Add(&x.open, p, uint64(i+1))
	}
	x.open.Run()
	for _, p := range x.b {
		if _, ok := x.opener.Finish(p); !ok {
			t.Fatal(p.Drop)
		}
	}
}

func TestAllocs(t *testing.T) {
	for _, s := range suites {
		if raced && (s.Cipher.cbc() || s.ICVLen() == 8) {
			continue
		}
		x := newBenchPair(t, s, 1400)
		if n := testing.AllocsPerRun(10, func() {
			x.refill()
			x.sealAll()
			x.openAll(t)
		}); n != 0 {
			t.Errorf("%v: sealing and opening a burst allocates %v times, want 0", s, n)
		}
	}
}

// benchmark runs f, which handles one burst, for all sizes and a suite of each kind.
func benchmark(b *testing.B, f func(*testing.B, *benchPair)) {
	for _, name := range []string{"aes128gcm16-esn", "aes256gcm16-esn", "chacha20poly1305-esn", "aes128-sha256-esn"} {
		s := mustSuite(b, name)
		for _, size := range []int{64, 512, 1400} {
			b.Run(s.String()+"/"+strconv.Itoa(size), func(b *testing.B) {
				x := newBenchPair(b, s, size)
				b.SetBytes(int64(size * BurstLen))
				for b.Loop() {
					f(b, x)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*BurstLen), "ns/packet")
			})
		}
	}
}

// BenchmarkSeal includes a copy, as a TUN read pays it too.
func BenchmarkSeal(b *testing.B) {
	benchmark(b, func(_ *testing.B, x *benchPair) {
		x.refill()
		x.sealAll()
	})
}

// BenchmarkBoth is sealing and opening: a packet can be opened only once.
func BenchmarkBoth(b *testing.B) {
	benchmark(b, func(b *testing.B, x *benchPair) {
		x.refill()
		x.sealAll()
		x.openAll(b)
	})
}

// BenchmarkBare is the cipher alone, in place, over the buffers of a burst.
func BenchmarkBare(b *testing.B) {
	benchmark(b, func(_ *testing.B, x *benchPair) {
		if x.seal.n == 0 {
			x.refill()
			for i, p := range x.b {
				x.sealer.add(&x.seal, p, header{testSPI, uint64(i + 1), uint64(i + 1)}, packet.ProtoIPv4)
			}
		}
		for jobs := x.seal.jobs[:]; len(jobs) > 0; {
			jobs = jobs[jobs[0].transform.seal(jobs):]
		}
	})
}
