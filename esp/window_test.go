package esp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func newWindow(t testing.TB, size int) *Window {
	t.Helper()
	w, err := NewWindow(size)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestWindowSize: sizes from a config are checked (CASES B.1, CVE-2017-7184 and
// CVE-2023-3773).
func TestWindowSize(t *testing.T) {
	for _, size := range []int{math.MinInt, -1, 0, 1, 31, 33, 63, 65537, 1 << 31, math.MaxInt} {
		if _, err := NewWindow(size); err == nil {
			t.Errorf("a window of %d packets is accepted", size)
		}
	}
	for _, size := range []int{64, 65, 100, 127, 128, 4096, 65535, 65536} {
		w := newWindow(t, size)
		top := uint64(3 * size)
		bottom := top - uint64(size) + 1
		if !w.Commit(top) || w.Commit(top) || w.Top() != top || w.Size() != size {
			t.Errorf("size %d: top is %d, size %d", size, w.Top(), w.Size())
		}
		if w.Commit(bottom-1) || !w.Commit(bottom) || w.Commit(bottom) {
			t.Errorf("size %d: the bottom is not at %d", size, bottom)
		}
	}
}

func TestWindowExpand(t *testing.T) {
	const turn, size = 1 << 32, 4096
	tests := map[string]struct {
		top  uint64
		lo   uint32
		want uint64
	}{
		"fresh SA, large gap":     {top: 3, lo: turn - 16, want: turn - 16},
		"fresh SA, 0":             {top: 0, lo: 0, want: 0},
		"bottom of the window":    {top: turn + 5000, lo: 5001 - size, want: turn + 5001 - size},
		"just below it":           {top: turn + 5000, lo: 5000 - size, want: 2*turn + 5000 - size},
		"window spans a turn":     {top: turn + 3, lo: turn - 1, want: turn - 1},
		"between top and bottom":  {top: turn + 3, lo: 1 << 31, want: turn + 1<<31},
		"A2.1 case A at its edge": {top: turn + size - 1, lo: 0, want: turn},
		"A2.1 case B at its edge": {top: turn + size - 2, lo: turn - 1, want: turn - 1},
		"over the turn":           {top: turn - 2, lo: 5, want: turn + 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWindow(t, size)
			w.top.Store(tt.top)
			if got := w.Expand(tt.lo, true); got != tt.want {
				t.Errorf("top %#x: Expand(%#x) = %#x, want %#x", tt.top, tt.lo, got, tt.want)
			}
			if got := w.Expand(tt.lo, false); got != uint64(tt.lo) {
				t.Errorf("without ESN: Expand(%#x) = %#x", tt.lo, got)
			}
		})
	}
}

// slowExpand is RFC 4303, Appendix A2.1, case by case.
func slowExpand(top uint64, size uint64, lo uint32) uint64 {
	th, tl := uint32(top>>32), uint32(top)
	w := uint32(size)
	bl := tl - w + 1 // modulo 2^32
	hi := th
	if tl >= w-1 { // case A
		if lo < bl {
			hi = th + 1
		}
	} else if lo >= bl && th > 0 { // case B; at th 0 there is nothing below
		hi = th - 1
	}
	return uint64(hi)<<32 | uint64(lo)
}

// FuzzWindowExpand holds Expand to slowExpand, at the fuzzer's number and at
// both sides of the window's edge, where bugs are.
func FuzzWindowExpand(f *testing.F) {
	f.Add(uint64(1<<32+3), uint32(1<<32-1), uint16(64))
	f.Add(uint64(4094), uint32(1<<32-1), uint16(4096))
	f.Add(uint64(1<<33-1), uint32(0), uint16(65535))
	f.Fuzz(func(t *testing.T, top uint64, lo uint32, size uint16) {
		top &= 1<<63 - 1 // an SA is rekeyed long before
		w := &Window{size: uint64(max(size, MinWindow))}
		w.top.Store(top)
		edge := uint32(top) - uint32(w.size)
		for _, lo := range []uint32{lo, edge, edge + 1, edge + 2, uint32(top), uint32(top) + 1} {
			if got, want := w.Expand(lo, true), slowExpand(top, w.size, lo); got != want {
				t.Errorf("top %#x size %d: Expand(%#x) = %#x, want %#x", top, w.size, lo, got, want)
			}
		}
	})
}

// A slowWindow remembers everything.
type slowWindow struct {
	top, size uint64
	seen      map[uint64]bool
}

func (w *slowWindow) commit(seq uint64) bool {
	if seq == 0 || w.seen[seq] || w.top >= w.size && seq <= w.top-w.size {
		return false
	}
	w.seen[seq] = true
	w.top = max(w.top, seq)
	return true
}

// FuzzWindow holds Window to slowWindow. Each pair of bytes is a step: a jump
// ahead of the top, or a place behind it.
func FuzzWindow(f *testing.F) {
	f.Add(uint16(64), []byte{0, 1, 0, 1, 0, 63, 1, 0, 1, 63, 1, 64, 0, 200, 1, 100})
	f.Add(uint16(100), []byte{2, 255, 1, 99, 1, 100, 1, 98, 3, 3, 1, 0, 1, 100})
	f.Add(uint16(4096), []byte{2, 16, 1, 255, 5, 15, 5, 16, 3, 1, 5, 17})
	f.Fuzz(func(t *testing.T, size uint16, steps []byte) {
		n := max(int(size), MinWindow)
		w := newWindow(t, n)
		slow := &slowWindow{size: uint64(n), seen: make(map[uint64]bool)}
		for i := 0; i+2 <= len(steps) && i < 2000; i += 2 {
			v, seq := uint64(steps[i+1]), slow.top
			switch steps[i] % 6 {
			case 0:
				seq += v
			case 1:
				seq -= min(seq, v)
			case 2:
				seq += v * 256
			case 3:
				seq += v * uint64(n) / 4
			case 4:
				seq -= min(seq, uint64(n)-1+v%3) // the edge
			case 5:
				seq -= min(seq, v*256)
			}
			check, got, want := w.Check(seq), w.Commit(seq), slow.commit(seq)
			if got != want || check != want || w.Top() != slow.top {
				t.Fatalf("step %d, %d of top %d: check %v, commit %v, want %v", i/2, seq, slow.top, check, got, want)
			}
		}
	})
}

// TestReplayWireGuard runs the counters of wireguard-go, which begin at 0, one
// higher. Those it refuses for being at its own limit are left out.
func TestReplayWireGuard(t *testing.T) {
	var file struct {
		T     int
		Limit string
		Steps [][2]any
	}
	readJSON(t, "../../shared/vectors/replay/wireguard.json", &file)
	limit, err := strconv.ParseUint(file.Limit, 10, 64)
	if err != nil || len(file.Steps) < 30 {
		t.Fatalf("%d steps, %v", len(file.Steps), err)
	}
	w := newWindow(t, file.T)
	for i, step := range file.Steps {
		counter, err := strconv.ParseUint(step[0].(string), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if counter >= limit {
			continue
		}
		if got := w.Commit(counter + 1); got != step[1].(bool) {
			t.Errorf("step %d: counter %d: %v, want %v", i, counter, got, step[1])
		}
	}
}

// TestReplayWireGuardBulk is the list "bulk" of the same file, each line one
// higher, for several sizes.
func TestReplayWireGuardBulk(t *testing.T) {
	for _, size := range []int{64, 100, 4096, 8129, 65536} {
		last := uint64(size) // W of the file is size-1, a counter of n is n+1 here
		run := func(name string, from, to uint64, then ...any) {
			w := newWindow(t, size)
			for n := from; ; {
				if !w.Commit(n) {
					t.Fatalf("size %d, %s: %d is refused", size, name, n)
				}
				if n == to {
					break
				}
				if n < to {
					n++
				} else {
					n--
				}
			}
			for i := 0; i < len(then); i += 2 {
				if got := w.Commit(uint64(then[i].(int))); got != then[i+1].(bool) {
					t.Errorf("size %d, %s, then %v: %v", size, name, then[i], got)
				}
			}
		}
		n := int(last)
		run("2..W+1", 2, last, 1, true, 1, false)
		run("3..W+2", 3, last+1, 2, true, 1, false)
		run("W+2 down to 2", last+1, 2)
		run("W+3 down to 3", last+2, 3, 1, false)
		run("W+1 down to 2", last, 2, n+1, true, 1, false)
		run("W+1 down to 2", last, 2, 1, true, n+1, true)
	}
}

// TestReplayOnce: each number is accepted once, in any order (CASES B.1).
func TestReplayOnce(t *testing.T) {
	for _, step := range []int{1, 3, 7, 31, 1023} {
		t.Run(fmt.Sprint("step ", step), func(t *testing.T) {
			const n = 4096
			w := newWindow(t, n)
			for round := range 2 {
				for i := range n {
					seq := uint64(i*step%n + 1) // step and n have no common factor
					if got := w.Commit(seq); got != (round == 0) {
						t.Fatalf("round %d: %d: %v", round, seq, got)
					}
				}
			}
		})
	}
}

// TestWindowWalk holds Window to slowWindow on long walks that go round the ring
// many times, with jumps about the sizes of a word, the window and the ring.
func TestWindowWalk(t *testing.T) {
	for _, size := range []int{64, 65, 100, 128, 192, 4096} {
		w := newWindow(t, size)
		slow := &slowWindow{size: uint64(size), seen: make(map[uint64]bool)}
		r := rand.New(rand.NewPCG(1, uint64(size)))
		ring := uint64(len(w.ring) * blockLen)
		jumps := []uint64{1, 1, 1, 2, 63, 64, 65, uint64(size), ring - 64, ring - 1, ring, ring + 1, ring + 64}
		for i := range 100_000 {
			seq := slow.top
			switch r.IntN(4) {
			case 0:
				seq += jumps[r.IntN(len(jumps))]
			case 1:
				seq++
			default:
				seq -= min(seq, r.Uint64N(uint64(size)+2))
			}
			if got, want := w.Commit(seq), slow.commit(seq); got != want {
				t.Fatalf("size %d, step %d, %d of top %d: %v, want %v", size, i, seq, slow.top, got, want)
			}
		}
	}
}

// TestWindowRuns holds CheckRun and CommitRun to Check, Commit and slowWindow: runs
// in order and out of it, with numbers twice, left of the window, never sent, of
// other blocks in between, and some that are not asked about.
func TestWindowRuns(t *testing.T) {
	for _, size := range []int{64, 65, 100, 4096} {
		w := newWindow(t, size)
		slow := &slowWindow{size: uint64(size), seen: make(map[uint64]bool)}
		r := rand.New(rand.NewPCG(2, uint64(size)))
		for round := range 20_000 {
			seqs, which := randomRun(r, slow.top, uint64(size)), r.Uint64()
			if round%2 == 0 {
				which = math.MaxUint64
			}
			var may, fresh uint64
			for i, seq := range seqs {
				if which>>i&1 != 0 && w.Check(seq) {
					may |= 1 << i
				}
			}
			if got := w.CheckRun(seqs, which); got != may {
				t.Fatalf("size %d, top %d: check of %v among %b: %b, want %b", size, slow.top, seqs, which, got, may)
			}
			before := slow.top
			for i, seq := range seqs {
				if which>>i&1 != 0 && slow.commit(seq) {
					fresh |= 1 << i
				}
			}
			if got := w.CommitRun(seqs, which); got != fresh || w.Top() != slow.top {
				t.Fatalf("size %d, top %d: commit of %v among %b: %b, want %b; top %d, want %d",
					size, before, seqs, which, got, fresh, w.Top(), slow.top)
			}
		}
	}
}

// randomRun is up to MaxRun numbers about top: mostly each one more than the last.
func randomRun(r *rand.Rand, top, size uint64) []uint64 {
	seqs := make([]uint64, r.IntN(MaxRun+1))
	next := top + 1
	for i := range seqs {
		switch r.IntN(12) {
		case 0:
			next -= min(next, r.Uint64N(size+40))
		case 1:
			next += r.Uint64N(2 * size)
		case 2:
			next-- // the last one again
		}
		seqs[i] = next
		next++
	}
	return seqs
}

func TestWindowEnds(t *testing.T) {
	w := newWindow(t, 64)
	if w.Check(0) || w.Check(math.MaxUint64) || w.Commit(math.MaxUint64) {
		t.Error("a number that is never sent is accepted")
	}
	if !w.Commit(math.MaxUint64-1) || w.Commit(math.MaxUint64-1) || !w.Commit(math.MaxUint64-64) || w.Commit(math.MaxUint64-65) {
		t.Error("the last number is not the top of the window")
	}
	ends := []uint64{0, math.MaxUint64, math.MaxUint64 - 2}
	w = newWindow(t, 64)
	if got := w.CheckRun(ends, 7); got != 4 {
		t.Errorf("check of numbers that are never sent: %b", got)
	}
	for i := range ends {
		if got, want := w.CommitRun(ends[i:i+1], 1), uint64(i/2); got != want {
			t.Errorf("commit of %#x: %b, want %b", ends[i], got, want)
		}
	}
}

// BenchmarkWindowRun is BenchmarkWindow for runs of 32, per number.
func BenchmarkWindowRun(b *testing.B) {
	w, seqs, next := newWindow(b, DefaultWindow), make([]uint64, 32), uint64(1)
	const all = 1<<32 - 1
	for b.Loop() {
		for i := range seqs {
			seqs[i] = next
			next++
		}
		if w.CheckRun(seqs, all) != all || w.CommitRun(seqs, all) != all {
			b.Fatal(next)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(seqs)), "ns/packet")
}

func BenchmarkWindow(b *testing.B) {
	w := newWindow(b, DefaultWindow)
	seq := uint64(0)
	for b.Loop() {
		seq++
		if !w.Check(seq) || !w.Commit(seq) {
			b.Fatal(seq)
		}
	}
}
