package sa

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/policy"
)

// An Inbound is an SA that packets are received on. It is safe for any number
// of goroutines, and none waits for another: the opener has no state, and the
// replay window takes any order of events.
//
// What packets need is close together, in three cache lines: a multiple of such
// lines is the whole, so that the allocator puts them nowhere else.
type Inbound struct {
	window   esp.Window
	Counters // what was authenticated and not a replay, by plaintext bytes
	retired  atomic.Bool

	opener esp.Opener
	id     inboundID

	local  policy.Matcher // params.Local
	remote policy.Matcher // params.Remote
	params Params         // without key
}

// An inboundID is what a look-up reads of Params.
type inboundID struct {
	spi        esp.SPI
	layer, via Layer
	mode       esp.Mode
	esn        bool
}

// NewInbound returns the inbound SA that p describes. It keeps neither p.Key
// nor p's selector slices.
func NewInbound(p Params) (*Inbound, error) {
	if p.Window == 0 {
		p.Window = esp.DefaultWindow
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	o, err := esp.NewOpener(p.Suite, p.Key)
	if err != nil {
		return nil, fmt.Errorf("sa: %w", err)
	}
	in := &Inbound{
		params: p.withoutKey(), opener: *o, id: inboundID{p.SPI, p.Layer, p.Via, p.Mode, p.Suite.ESN},
		local: policy.NewMatcher(p.Local), remote: policy.NewMatcher(p.Remote),
	}
	if err := in.window.Init(p.Window); err != nil {
		return nil, fmt.Errorf("sa: %w", err)
	}
	return in, nil
}

// Params returns what the SA was made of, but for the key. The slices in it
// belong to the SA: they are read only.
func (in *Inbound) Params() Params { return in.params }

// SPI returns the SPI that names the SA.
func (in *Inbound) SPI() esp.SPI { return in.id.spi }

// Layer returns the layer the SA belongs to.
func (in *Inbound) Layer() Layer { return in.id.layer }

// Via returns the layer that the SA's packets must arrive through.
func (in *Inbound) Via() Layer { return in.id.via }

// Mode returns the mode of the SA.
func (in *Inbound) Mode() esp.Mode { return in.id.mode }

// TouchSelf brings what Touch needs, and what is beside it, into the processor's
// cache, see [esp.Sealer.Touch].
func (in *Inbound) TouchSelf() (sum uint64) {
	return in.window.Top() + uint64(in.opener.MinLen())
}

// Touch does that for what Begin, the burst, Finish and Allows need for a packet.
// seq is the number in its header.
func (in *Inbound) Touch(seq uint32) (sum uint64) {
	if in.window.Check(in.window.Expand(seq, in.id.esn)) {
		sum++
	}
	return sum + in.opener.Touch() + in.local.Touch() + in.remote.Touch()
}

// Begin does for the live packets of b, each an ESP packet from SPI to ICV, what
// RFC 4303, Section 3.4 asks for before they are opened in burst: the replay
// check above all. Its verdict is not the last word, as packets of one run may be
// copies of each other; seqs, as long as b, gets what Finish needs to know.
//
// Where a packet is not added to the burst, its Drop says why.
func (in *Inbound) Begin(burst *esp.OpenBurst, b packet.Batch, seqs []uint64) {
	in.check(b, seqs)
	in.opener.AddRun(burst, b, seqs)
}

// check expands the sequence numbers of a run and checks them against the
// window, as many at a time as that takes.
func (in *Inbound) check(b packet.Batch, seqs []uint64) {
	for retired := in.retired.Load(); len(b) > 0; {
		n := min(len(b), esp.MaxRun)
		in.checkRun(b[:n], seqs[:n], retired)
		b, seqs = b[n:], seqs[n:]
	}
}

func (in *Inbound) checkRun(b packet.Batch, seqs []uint64, retired bool) {
	var which uint64
	least, bottom := in.opener.MinLen(), in.window.Bottom(in.id.esn)
	for i, p := range b {
		if p.Drop != packet.Live {
			continue
		}
		h, ok := esp.ParseHeader(p.Bytes())
		switch {
		case p.Len() < least:
			p.Drop = packet.Runt
		case !ok:
			p.Drop = packet.ReservedSPI
		case h.SPI() != in.id.spi:
			p.Drop = packet.NoSA
		case retired:
			p.Drop = packet.SAExpired
		default:
			seqs[i] = esp.Expand(bottom, h.SeqLo())
			which |= 1 << i
		}
	}
	replays(b, which&^in.window.CheckRun(seqs, which))
}

// replays marks the packets of b whose bits are set.
func replays(b packet.Batch, which uint64) {
	for ; which != 0; which &= which - 1 {
		b[bits.TrailingZeros64(which)].Drop = packet.Replay
	}
}

// Finish does the rest for a run that Begin began, once its burst has run:
// decapsulation, replay check again and window update, counting. Afterwards the
// windows of live packets are the plaintext, and next, as long as b, has their
// next headers.
//
// Where a packet is refused, its Drop says why. Nothing of the SA changes for a
// packet that is not authenticated. Dummy packets are refused as Dummy; every
// other next header, the selectors and the layer the packet came through are the
// caller's to check.
func (in *Inbound) Finish(b packet.Batch, seqs []uint64, next []uint8) {
	for i, p := range b {
		next[i], _ = in.opener.Finish(p)
	}
	in.commit(b, seqs)
	packets, bytes := 0, 0
	for i, p := range b {
		if p.Drop == packet.Live && next[i] == esp.DummyNextHeader {
			p.Drop = packet.Dummy
		}
		if p.Drop == packet.Live {
			packets++
			bytes += p.Len()
		}
	}
	if packets > 0 {
		in.count(bytes, packets)
	}
}

// commit takes the numbers of authenticated packets into the window. Those with
// bad padding are among them.
func (in *Inbound) commit(b packet.Batch, seqs []uint64) {
	for len(b) > 0 {
		n := min(len(b), esp.MaxRun)
		var which uint64
		for i, p := range b[:n] {
			if p.Drop == packet.Live || p.Drop == packet.BadPadding {
				which |= 1 << i
			}
		}
		replays(b[:n], which&^in.window.CommitRun(seqs[:n], which))
		b, seqs = b[n:], seqs[n:]
	}
}

// Highest returns the highest number received on an authentic packet, 0 before
// the first.
func (in *Inbound) Highest() uint64 { return in.window.Top() }

// Allows reports whether the SA's selectors cover a packet received on it: the
// remote ones its source, the local ones its destination (RFC 4301,
// Section 5.2). A fragment without ports is covered by selectors for every port
// only. Empty selectors cover nothing.
func (in *Inbound) Allows(f *packet.Flow) bool {
	if f.Frag {
		return in.remote.CoversFragment(f.Src, f.Proto) && in.local.CoversFragment(f.Dst, f.Proto)
	}
	return in.remote.Covers(f.Src, f.Proto, f.SrcPort) && in.local.Covers(f.Dst, f.Proto, f.DstPort)
}

// SoftExpired reports whether the SA should be rekeyed.
func (in *Inbound) SoftExpired(now time.Time) bool {
	return in.params.Lifetime.soft(now.Sub(in.params.Born), in.load())
}

// HardExpired reports whether the SA must go. Open does not look at the clock:
// who finds an SA expired calls Retire.
func (in *Inbound) HardExpired(now time.Time) bool {
	return in.retired.Load() || in.params.Lifetime.hard(now.Sub(in.params.Born), in.load())
}

// Retire ends the SA: every later packet is refused as SAExpired.
func (in *Inbound) Retire() { in.retired.Store(true) }
