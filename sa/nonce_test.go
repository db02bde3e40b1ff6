package sa

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"warren/esp"
	"warren/packet"
)

// numbers is how many packets an SA of TestNonceUnique may send.
const numbers = 1<<18 - 1

// A nonceSA has a bit for each number that it may use.
type nonceSA struct {
	*Outbound
	used [numbers/64 + 1]atomic.Uint64
}

// use reports whether nobody has used the nonce of an ESP packet before, and
// takes it. Salt and key are the SA's, the IV is the rest of the nonce.
func (s *nonceSA) use(b []byte) bool {
	seq, iv := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint64(b[esp.HeaderLen:])
	if uint64(seq) != iv || iv > numbers {
		return false
	}
	bit := uint64(1) << (iv % 64)
	return s.used[iv/64].Or(bit)&bit == 0
}

// count is how many nonces were used.
func (s *nonceSA) count() (n uint64) {
	for i := range s.used {
		n += uint64(bits.OnesCount64(s.used[i].Load()))
	}
	return n
}

// A nonceRun is the SAs of one test, of which the newest sends.
type nonceRun struct {
	t      *testing.T
	newest atomic.Pointer[nonceSA]
	mu     sync.Mutex
	all    []*nonceSA // guarded by mu
}

// rekey replaces old, while others may hold numbers of it.
func (r *nonceRun) rekey(old *nonceSA) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newest.Load() != old {
		return // somebody was quicker
	}
	p := testParams(true)
	p.SPI += esp.SPI(len(r.all))
	binary.BigEndian.PutUint32(p.Key, uint32(p.SPI))
	p.Lifetime.HardPackets = numbers
	s := &nonceSA{Outbound: newOutbound(r.t, p)}
	r.all = append(r.all, s)
	r.newest.Store(s)
	if old != nil {
		old.Retire()
	}
}

// work seals packets by whatever SA is the newest, total of them in all runs.
func (r *nonceRun) work(seed uint64, sent *atomic.Int64, total int64) {
	random := rand.New(rand.NewPCG(seed, 1))
	batch := packet.NewBatch(64, len(inner))
	var burst esp.SealBurst
	for sent.Load() < total && !r.t.Failed() {
		s := r.newest.Load()
		first, n := s.Reserve(1 + random.IntN(len(batch)))
		for i, p := range batch[:n] {
			p.Set(inner)
			s.Add(&burst, p, first+uint64(i), packet.ProtoIPv4)
		}
		burst.Run()
		for _, p := range batch[:n] {
			if p.Drop != packet.Live || !s.use(p.Bytes()) {
				r.t.Errorf("%v: %v under a nonce that is not its own: %x", s.SPI(), p.Drop, p.Bytes()[:16])
			}
		}
		sent.Add(int64(n))
		if n == 0 || random.IntN(10_000) == 0 {
			r.rekey(s)
		}
	}
}

// TestNonceUnique has eight goroutines seal ten million packets, and replace the
// SA at any time or when it has no more numbers: each nonce goes on the wire once.
func TestNonceUnique(t *testing.T) {
	const workers, total = 8, 10_000_000 / slowdown
	r := &nonceRun{t: t}
	r.rekey(nil)
	var sent atomic.Int64
	var wg sync.WaitGroup
	for g := range uint64(workers) {
		wg.Go(func() { r.work(g, &sent, total) })
	}
	wg.Wait()
	var nonces uint64
	early := 0
	for _, s := range r.all {
		n := s.count()
		if n != s.Last() {
			t.Errorf("%v gave out %d numbers and sent under %d nonces", s.SPI(), s.Last(), n)
		}
		if nonces += n; n < numbers {
			early++
		}
	}
	if nonces != uint64(sent.Load()) || nonces < total || len(r.all) < 3 {
		t.Errorf("%d packets under %d nonces of %d SAs", sent.Load(), nonces, len(r.all))
	}
	t.Logf("%d packets by %d SAs, %d of them replaced before their last number", nonces, len(r.all), early)
}
