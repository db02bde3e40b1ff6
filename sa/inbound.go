package sa

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/policy"
)

// An Inbound is an SA that packets are received on. It is safe for any number
// of goroutines: the opener has no state, and the replay window is behind a
// mutex that a packet holds twice for a few instructions, once before and once
// after it is opened.
type Inbound struct {
	Counters        // what was authenticated and not a replay, by plaintext bytes
	params   Params // without key
	opener   *esp.Opener
	retired  atomic.Bool

	mu     sync.Mutex
	window *esp.Window // guarded by mu
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
	w, err := esp.NewWindow(p.Window)
	if err != nil {
		return nil, fmt.Errorf("sa: %w", err)
	}
	o, err := esp.NewOpener(p.Suite, p.Key)
	if err != nil {
		return nil, fmt.Errorf("sa: %w", err)
	}
	return &Inbound{params: p.withoutKey(), opener: o, window: w}, nil
}

// Params returns what the SA was made of, but for the key. The slices in it
// belong to the SA: they are read only.
func (in *Inbound) Params() Params { return in.params }

// SPI returns the SPI that names the SA.
func (in *Inbound) SPI() esp.SPI { return in.params.SPI }

// Layer returns the layer the SA belongs to.
func (in *Inbound) Layer() Layer { return in.params.Layer }

// Via returns the layer that the SA's packets must arrive through.
func (in *Inbound) Via() Layer { return in.params.Via }

// Mode returns the mode of the SA.
func (in *Inbound) Mode() esp.Mode { return in.params.Mode }

// Open does for the window of p, an ESP packet from SPI to ICV, all that
// RFC 4303, Section 3.4 asks for once the SA is found: replay check, opening in
// place, replay check again and window update, counting. Afterwards the window
// is the plaintext.
//
// Where it reports false, p.Drop says why. Nothing of the SA changes for a
// packet that is not authenticated. Dummy packets are refused as Dummy; every
// other next header, the selectors and the layer the packet came through are the
// caller's to check.
func (in *Inbound) Open(p *packet.Packet) (nextHeader uint8, ok bool) {
	if p.Drop != packet.Live {
		return 0, false
	}
	h, ok := esp.ParseHeader(p.Bytes())
	switch {
	case p.Len() < esp.MinLen:
		p.Drop = packet.Runt
	case !ok:
		p.Drop = packet.ReservedSPI
	case h.SPI() != in.params.SPI:
		p.Drop = packet.NoSA
	case in.retired.Load():
		p.Drop = packet.SAExpired
	}
	if p.Drop != packet.Live {
		return 0, false
	}
	seq, fresh := in.check(h.SeqLo())
	if !fresh {
		p.Drop = packet.Replay
		return 0, false
	}
	nextHeader, ok = in.opener.Open(p, seq)
	if !ok && p.Drop != packet.BadPadding { // that one is authenticated
		return 0, false
	}
	return nextHeader, in.accept(p, seq, nextHeader)
}

// check expands a sequence number and checks it against the window.
func (in *Inbound) check(lo uint32) (seq uint64, fresh bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	seq = in.window.Expand(lo, in.params.Suite.ESN)
	return seq, in.window.Check(seq)
}

// accept commits the number of an authenticated packet, and counts it where
// there is something to deliver.
func (in *Inbound) accept(p *packet.Packet, seq uint64, nextHeader uint8) bool {
	in.mu.Lock()
	fresh := in.window.Commit(seq)
	in.mu.Unlock()
	switch {
	case !fresh:
		p.Drop = packet.Replay
	case p.Drop == packet.Live && nextHeader == esp.DummyNextHeader:
		p.Drop = packet.Dummy
	}
	if p.Drop != packet.Live {
		return false
	}
	in.count(p.Len(), 1)
	return true
}

// Highest returns the highest number received on an authentic packet, 0 before
// the first.
func (in *Inbound) Highest() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.window.Top()
}

// Allows reports whether the SA's selectors cover a packet received on it: the
// remote ones its source, the local ones its destination (RFC 4301,
// Section 5.2). A fragment without ports is covered by selectors for every port
// only. Empty selectors cover nothing.
func (in *Inbound) Allows(f packet.Flow) bool {
	if f.Frag {
		return policy.CoversFragment(in.params.Remote, f.Src, f.Proto) &&
			policy.CoversFragment(in.params.Local, f.Dst, f.Proto)
	}
	return policy.Covers(in.params.Remote, f.Src, f.Proto, f.SrcPort) &&
		policy.Covers(in.params.Local, f.Dst, f.Proto, f.DstPort)
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
