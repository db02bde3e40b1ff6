package esp

import (
	"fmt"
	"math"
	"math/bits"
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
func (w *Window) Expand(lo uint32, esn bool) uint64 { return Expand(w.Bottom(esn), lo) }

// Bottom returns the lowest number of the window for the function Expand: without
// ESN that is 0 for ever.
func (w *Window) Bottom(esn bool) uint64 {
	if !esn {
		return 0
	}
	top := w.top.Load()
	return top - min(top, w.size-1)
}

// Expand is [Window.Expand] for a window with that bottom.
func Expand(bottom uint64, lo uint32) uint64 { return bottom + uint64(lo-uint32(bottom)) }

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

// MaxRun is how many numbers at most CheckRun and CommitRun take: a bit each.
const MaxRun = 64

// CheckRun is Check of the first MaxRun numbers of seqs whose bits are set in
// which, and returns the bits of those that may be new. Nothing above the top was
// committed, as committing raises that first: so the ring need not be looked at for
// what arrives in order.
func (w *Window) CheckRun(seqs []uint64, which uint64) (may uint64) {
	top := w.top.Load()
	for i, seq := range seqs[:min(len(seqs), MaxRun)] {
		if which>>i&1 != 0 && (seq > top && seq != math.MaxUint64 || seq <= top && w.Check(seq)) {
			may |= 1 << i
		}
	}
	return may
}

// CommitRun is Commit of the first MaxRun numbers of seqs whose bits are set in
// which, one after the other, and returns the bits of those that were new. What
// is of one block it marks at once: that is most of what arrives in order.
func (w *Window) CommitRun(seqs []uint64, which uint64) (fresh uint64) {
	seqs = seqs[:min(len(seqs), MaxRun)]
	for i := 0; i < len(seqs); {
		g := w.group(seqs, which, i)
		if g.marks != 0 && w.markAll(&g) {
			fresh |= g.which
		} else {
			fresh |= w.commitEach(seqs, which, i, g.end)
		}
		i = g.end
	}
	return fresh
}

// A group is numbers of one block, none twice.
type group struct {
	end   int    // where it ends in the run
	which uint64 // its numbers, as bits of the run
	block uint64
	marks uint64 // its numbers, as bits of the block
}

// first and last are the lowest and the highest number.
func (g *group) first() uint64 { return g.block*blockLen + uint64(bits.TrailingZeros64(g.marks)) }
func (g *group) last() uint64  { return g.block*blockLen + uint64(bits.Len64(g.marks)) - 1 }

// group returns the numbers from the i-th on that are of its block. What is not
// to be committed is skipped, and a number that comes again ends the group.
func (w *Window) group(seqs []uint64, which uint64, i int) group {
	g := group{end: i}
	for ; g.end < len(seqs); g.end++ {
		if which>>g.end&1 == 0 {
			continue
		}
		block, bit := seqs[g.end]/blockLen, uint64(1)<<(seqs[g.end]%blockLen)
		if g.marks == 0 {
			g.block = block
		}
		if block != g.block || g.marks&bit != 0 {
			return g
		}
		g.which |= 1 << g.end
		g.marks |= bit
	}
	return g
}

// markAll commits all numbers of g, or none where one of them is not new.
func (w *Window) markAll(g *group) bool {
	first, last := g.first(), g.last()
	if first == 0 || last == math.MaxUint64 {
		return false
	}
	w.raise(last)
	word, turn, _ := w.place(last)
	old := word.Load() // see Commit: read before the top is looked at
	if !w.reaches(first) {
		return false
	}
	marked := turn<<blockLen | g.marks
	if old>>blockLen == turn {
		if old&g.marks != 0 {
			return false
		}
		marked |= old
	}
	return word.CompareAndSwap(old, marked)
}

// commitEach is CommitRun of the numbers from the i-th to before the end-th, one
// by one.
func (w *Window) commitEach(seqs []uint64, which uint64, i, end int) (fresh uint64) {
	for ; i < end; i++ {
		if which>>i&1 != 0 && w.Commit(seqs[i]) {
			fresh |= 1 << i
		}
	}
	return fresh
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
