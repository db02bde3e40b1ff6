package esp

import (
	"fmt"
	"math"
)

// The sizes a replay window may have, in packets.
const (
	DefaultWindow = 4096
	MinWindow     = 64
	MaxWindow     = 65536
)

const wordBits = 64

// A Window remembers which sequence numbers of an inbound SA have been received
// (RFC 4303, Section 3.4.3 and Appendix A2). It has no lock of its own: one
// goroutine at a time. Check, open the packet, then Commit.
//
// The bits lie in a ring of words, one word more than the window spans, so that
// moving the window clears whole words and shifts nothing (RFC 6479).
type Window struct {
	top  uint64 // highest number committed; 0 at first
	size uint64
	mask uint64 // ring words - 1
	ring []uint64
}

// NewWindow returns an empty window of size packets.
func NewWindow(size int) (*Window, error) {
	if size < MinWindow || size > MaxWindow {
		return nil, fmt.Errorf("esp: replay window of %d packets, want %d to %d", size, MinWindow, MaxWindow)
	}
	words := 1
	for words*wordBits < size+wordBits {
		words *= 2
	}
	return &Window{size: uint64(size), mask: uint64(words - 1), ring: make([]uint64, words)}, nil
}

// Size returns the size of the window in packets.
func (w *Window) Size() int { return int(w.size) }

// Top returns the highest number committed, 0 where there is none.
func (w *Window) Top() uint64 { return w.top }

// Expand returns the sequence number whose low half is lo. With ESN it is the
// one that is not below the window and less than 2^32 above its bottom: that
// single rule is both cases of RFC 4303, Appendix A2.1.
func (w *Window) Expand(lo uint32, esn bool) uint64 {
	if !esn {
		return uint64(lo)
	}
	bottom := w.top - min(w.top, w.size-1)
	return bottom + uint64(lo-uint32(bottom))
}

// Check reports whether seq may be new: right of the window, or in it and not
// committed. 0 is never sent and never new, nor is 2^64-1, which would leave no
// number above the window.
func (w *Window) Check(seq uint64) bool {
	switch {
	case seq == 0 || seq == math.MaxUint64:
		return false
	case seq > w.top:
		return true
	case w.top-seq >= w.size:
		return false
	}
	return w.ring[seq/wordBits&w.mask]>>(seq%wordBits)&1 == 0
}

// Commit marks seq, the number of a packet that was authenticated, as received
// and moves the window up to it. It checks again, as other packets may have been
// committed since Check: where it reports false the packet is a replay.
func (w *Window) Commit(seq uint64) bool {
	if !w.Check(seq) {
		return false
	}
	if seq > w.top {
		w.advance(seq)
	}
	w.ring[seq/wordBits&w.mask] |= 1 << (seq % wordBits)
	return true
}

// advance makes seq the top and clears the words that enter the ring.
func (w *Window) advance(seq uint64) {
	from, to := w.top/wordBits, seq/wordBits
	if to-from > w.mask {
		from = to - w.mask - 1
	}
	for i := from + 1; i <= to; i++ {
		w.ring[i&w.mask] = 0
	}
	w.top = seq
}
