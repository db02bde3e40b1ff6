package sa

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"warren/esp"
	"warren/packet"
)

// An Outbound is an SA that packets are sent on. It is safe for any number of
// goroutines: sequence numbers are taken from one atomic counter, a run at a
// time, and the sealer has no state.
//
// Goroutines that hold runs of numbers at the same time send them out of order,
// which the peer's replay window must allow for; package dataplane has them take
// turns.
//
// What packets need is close together, in two cache lines: a multiple of such
// lines is the whole, so that the allocator puts them nowhere else.
type Outbound struct {
	next      atomic.Uint64 // the first number not taken, last+1 when there is none
	Counters                // what was sent, by plaintext bytes
	last      uint64        // the last number it may use
	hardBytes uint64        // params.Lifetime.HardBytes
	retired   atomic.Bool
	spi       esp.SPI
	_         [16]byte

	sealer esp.Sealer
	params Params
}

// NewOutbound returns the outbound SA that p describes. It keeps neither p.Key
// nor p's selector slices.
func NewOutbound(p Params) (*Outbound, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	first := max(p.FirstSeq, 1)
	last := lastSeq(p.Suite)
	if first > last {
		return nil, fmt.Errorf("sa: first sequence number %#x is beyond %#x", first, last)
	}
	// Packets are counted by the numbers taken, so that parallel workers cannot
	// exceed the limit together.
	if n := p.Lifetime.HardPackets; n != 0 && n-1 < last-first {
		last = first + n - 1
	}
	s, err := esp.NewSealer(p.Suite, p.Key)
	if err != nil {
		return nil, fmt.Errorf("sa: %w", err)
	}
	o := &Outbound{params: p.withoutKey(), sealer: *s, last: last, hardBytes: p.Lifetime.HardBytes, spi: p.SPI}
	o.next.Store(first)
	return o, nil
}

// Params returns what the SA was made of, but for the key. The slices in it
// belong to the SA: they are read only.
func (o *Outbound) Params() Params { return o.params }

// SPI returns the SPI that names the SA at the peer.
func (o *Outbound) SPI() esp.SPI { return o.spi }

// Suite returns the algorithms of the SA.
func (o *Outbound) Suite() esp.Suite { return o.params.Suite }

// Mode returns the mode of the SA.
func (o *Outbound) Mode() esp.Mode { return o.params.Mode }

// Reserve takes n sequence numbers for the caller alone, from first on. It gives
// fewer, and none in the end, where the SA has no more (RFC 4303, Section 3.3.3:
// the counter must not cycle), its hard limit of packets or bytes is reached, or
// it is retired (bytes are known a batch late, by Count); Refusal then names the Drop for the packets without number. A
// number that is not used is lost, which the receiver takes for packet loss.
func (o *Outbound) Reserve(n int) (first uint64, got int) {
	if n <= 0 || o.ended() {
		return 0, 0
	}
	for {
		first = o.next.Load()
		if first > o.last {
			return 0, 0
		}
		take := min(uint64(n), o.last-first+1)
		if o.next.CompareAndSwap(first, first+take) {
			return first, int(take)
		}
	}
}

// Refusal returns why Reserve gives less than it is asked for.
func (o *Outbound) Refusal() packet.Drop {
	limit := o.params.Lifetime.HardPackets
	if o.ended() || limit != 0 && o.taken() >= limit {
		return packet.SAExpired
	}
	return packet.SeqExhausted
}

// ended reports whether the SA gives no numbers for another reason than that it
// has no more.
func (o *Outbound) ended() bool {
	return o.retired.Load() || o.hardBytes != 0 && o.Bytes.Load() >= o.hardBytes
}

// taken returns how many numbers have been given out.
func (o *Outbound) taken() uint64 { return o.next.Load() - max(o.params.FirstSeq, 1) }

// Last returns the highest number given out, 0 before the first.
func (o *Outbound) Last() uint64 { return o.next.Load() - 1 }

// Touch brings what Reserve, Add and the burst need into the processor's cache,
// see [esp.Sealer.Touch].
func (o *Outbound) Touch() (sum uint64) { return o.next.Load() + o.sealer.Touch() }

// Add turns the window of p, which is the plaintext, into an ESP packet of the
// SA, in place; b.Run encrypts it. seq comes from Reserve and is used for this
// packet alone. Where there is no room p.Drop says so. Counting is the caller's,
// by Count.
func (o *Outbound) Add(b *esp.SealBurst, p *packet.Packet, seq uint64, nextHeader uint8) {
	o.sealer.Add(b, p, o.spi, seq, nextHeader)
}

// Count adds what was sealed: plaintext bytes and packets, once a batch.
func (o *Outbound) Count(bytes, packets int) { o.count(bytes, packets) }

// SoftExpired reports whether the SA should be rekeyed: at a soft limit, or with
// three quarters of all sequence numbers taken.
func (o *Outbound) SoftExpired(now time.Time) bool {
	if o.next.Load() > lastSeq(o.params.Suite)/4*3 {
		return true
	}
	return o.params.Lifetime.soft(now.Sub(o.params.Born), o.load())
}

// HardExpired reports whether the SA must go. Reserve knows the limits of
// packets and bytes by itself, but does not look at the clock: who finds an SA
// expired calls Retire.
func (o *Outbound) HardExpired(now time.Time) bool {
	return o.retired.Load() || o.next.Load() > o.last ||
		o.params.Lifetime.hard(now.Sub(o.params.Born), o.load())
}

// Retire ends the SA: Reserve gives no more numbers. Packets that have theirs
// may still be sealed.
func (o *Outbound) Retire() { o.retired.Store(true) }

// load is what counts towards the limits. Numbers taken count as packets.
func (o *Outbound) load() load {
	return load{bytes: o.Bytes.Load(), packets: o.taken()}
}

// lastSeq returns the last sequence number of a suite. With ESN it is one less
// than there is: the receiver's window needs a number above its top.
func lastSeq(s esp.Suite) uint64 {
	if s.ESN {
		return math.MaxUint64 - 1
	}
	return math.MaxUint32
}
