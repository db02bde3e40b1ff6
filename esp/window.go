package esp

import (
	"fmt"
	"math"
	"sync/atomic"
)

// The sizes a replay window may have, in packets.
const (
	DefaultWindow = 4096
	MinWindow     = 64
	MaxWindow     = 65536
)

// blockLen is how many sequence numbers share a word of the ring: half of it is
// their bits.
const blockLen = 32

// A Window remembers which sequence numbers of an inbound SA have been received
// (RFC 4303, Section 3.4.3 and Appendix A2). Check, open the packet, then Commit.
// Any number of goroutines may do so at a time, without a lock: whatever they do
// in whatever order, a number is accepted at most once, and nothing is accepted
// that is left of the window.
//
// The bits lie in a ring of words, one word more than the window spans
// (RFC 6479). A word holds the bits of one block of numbers and the turn of the
// ring that the block belongs to, so that one compare-and-swap moves the word on
// to a block and marks a number of it, and moving the window clears nothing.
type Window struct {
	top  atomic.Uint64 // highest number committed; 0 at first
	size uint64
	ring []atomic.Uint64
}

// NewWindow returns an empty window of size packets.
func NewWindow(size int) (*Window, error) {
	w := new(Window)
	if err := w.Init(size); err != nil {
		return nil, err
	}
	return w, nil
}

// Init makes w an empty window of size packets.
func (w *Window) Init(size int) error {
	if size < MinWindow || size > MaxWindow {
		return fmt.Errorf("esp: replay window of %d packets, want %d to %d", size, MinWindow, MaxWindow)
	}
	words := (size-1)/blockLen + 2
	w.top.Store(0)
	w.size, w.ring = uint64(size), make([]atomic.Uint64, words)
	return nil
}

// Size returns the size of the window in packets.
func (w *Window) Size() int { return int(w.size) }

// Top returns the highest number committed, 0 where there is none.
func (w *Window) Top() uint64 { return w.top.Load() }

// Expand returns the sequence number whose low half is lo. With ESN it is the
// one that is not below the window and less than 2^32 above its bottom: that
// single rule is both cases of RFC 4303, Appendix A2.1.
func (w *Window) Expand(lo uint32, esn bool) uint64 {
	if !esn {
		return uint64(lo)
	}
	top := w.top.Load()
	bottom := top - min(top, w.size-1)
	return bottom + uint64(lo-uint32(bottom))
}

// Check reports whether seq may be new: right of the window, or in it and not
// committed. 0 is never sent and never new, nor is 2^64-1, which would leave no
// number above the window. What else is committed meanwhile can change the
// answer to no.
func (w *Window) Check(seq uint64) bool {
	if seq == 0 || seq == math.MaxUint64 {
		return false
	}
	word, turn, bit := w.place(seq)
	old := word.Load()
	return w.reaches(seq) && (old>>blockLen != turn || old&bit == 0)
}

// Commit marks seq, the number of a packet that was authenticated, as received
// and moves the window up to it. It checks again, as other packets may have been
// committed since Check: where it reports false the packet is a replay.
func (w *Window) Commit(seq uint64) bool {
	if seq == 0 || seq == math.MaxUint64 {
		return false
	}
	w.raise(seq)
	word, turn, bit := w.place(seq)
	for {
		// The top is raised before a word is written, and looked at after the
		// word is read. So while it reaches seq, old is no later block: that
		// would be a whole ring beyond seq, and the top with it.
		old := word.Load()
		if !w.reaches(seq) {
			return false
		}
		marked := turn<<blockLen | bit
		if old>>blockLen == turn {
			marked |= old
		}
		if marked == old {
			return false
		}
		if word.CompareAndSwap(old, marked) {
			return true
		}
	}
}

// place returns the word for seq, its turn and its bit. Turns are told apart
// modulo 2^32: a word that is not written for that many passes for new, and its
// old bits refuse up to 32 numbers.
func (w *Window) place(seq uint64) (word *atomic.Uint64, turn, bit uint64) {
	block, words := seq/blockLen, uint64(len(w.ring))
	return &w.ring[block%words], block / words & math.MaxUint32, 1 << (seq % blockLen)
}

// reaches reports whether seq is not left of the window.
func (w *Window) reaches(seq uint64) bool {
	top := w.top.Load()
	return seq > top || top-seq < w.size
}

// raise makes seq the top unless there is a higher one.
func (w *Window) raise(seq uint64) {
	for {
		top := w.top.Load()
		if seq <= top || w.top.CompareAndSwap(top, seq) {
			return
		}
	}
}
