package esp

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// A raceLog counts how often each number was accepted, and holds each verdict
// to what is true whatever the other goroutines did meanwhile.
type raceLog struct {
	*testing.T
	w        *Window
	accepted []atomic.Int32
	refused  []atomic.Bool // in the window, so somebody must have it
}

func newRaceLog(t *testing.T, size, numbers int) *raceLog {
	return &raceLog{t, newWindow(t, size), make([]atomic.Int32, numbers), make([]atomic.Bool, numbers)}
}

// commitRun is commit for some numbers at once.
func (l *raceLog) commitRun(seqs []uint64) {
	before, fresh := l.w.Top(), l.w.CommitRun(seqs, 1<<len(seqs)-1)
	for i, seq := range seqs {
		l.judge(seq, before, fresh>>i&1 != 0)
	}
}

// commit has a number accepted only once, only right of the bottom that the
// window had before, and refused only left of the one that it has after, or
// because somebody else has it.
func (l *raceLog) commit(seq uint64) {
	before := l.w.Top()
	l.judge(seq, before, l.w.Commit(seq))
}

func (l *raceLog) judge(seq, before uint64, fresh bool) {
	word, _, _ := l.w.place(seq)
	latest := word.Load() >> blockLen * uint64(len(l.w.ring)) * blockLen
	if top := l.w.Top(); top < max(before, latest) || fresh && top < seq {
		l.Errorf("after %d the top is %d, it was %d, and there are numbers beyond %d", seq, top, before, latest)
	}
	if fresh {
		if n := l.accepted[seq].Add(1); n != 1 {
			l.Errorf("%d is accepted %d times", seq, n)
		}
		if before >= seq+l.w.size {
			l.Errorf("%d is accepted left of a window up to %d", seq, before)
		}
		return
	}
	if l.w.Top() < seq+l.w.size {
		l.refused[seq].Store(true)
	}
}

// stretch is n numbers from seq on, up to last.
func stretch(seq, n, last int) (seqs []uint64) {
	for ; n > 0 && seq <= last; n, seq = n-1, seq+1 {
		seqs = append(seqs, uint64(seq))
	}
	return seqs
}

// TestWindowConcurrent has goroutines commit overlapping numbers as fast as they
// can: in order, with jumps of the window's and the ring's length, and back.
func TestWindowConcurrent(t *testing.T) {
	const workers, numbers = 8, 1 << 15
	for _, size := range []int{64, 100, 4096} {
		ring := len(newWindow(t, size).ring) * blockLen
		for _, step := range []int{1, blockLen, size, ring - 1, ring, ring + blockLen} {
			t.Run(fmt.Sprintf("window %d/step %d", size, step), func(t *testing.T) {
				l := newRaceLog(t, size, numbers+1)
				var wg sync.WaitGroup
				for g := range uint64(workers) {
					wg.Go(func() {
						r := rand.New(rand.NewPCG(g, uint64(step)))
						for seq := 1; seq <= numbers && !t.Failed(); seq += 1 + r.IntN(step) {
							l.commit(uint64(seq))
							l.commit(uint64(max(1, seq-r.IntN(size+1))))
							l.commit(uint64(max(1, seq-ring)))
							if seq%16 == 0 {
								l.commitRun(stretch(seq, 1+r.IntN(MaxRun-1), numbers))
							}
						}
					})
				}
				wg.Wait()
				for seq := range l.accepted {
					if l.refused[seq].Load() && l.accepted[seq].Load() == 0 {
						t.Errorf("%d is refused, and nobody has it", seq)
					}
				}
			})
		}
	}
}
