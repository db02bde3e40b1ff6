package blast

import (
	"errors"
	"math"
	"testing"
	"time"
)

// path is a path that loses what is above its capacity, behind a sender that
// offers at most so much. The first trial of each rate loses packets if flaky.
type path struct {
	capacity, sender float64
	queue            float64 // packets that it holds rather than lose
	flaky            bool
	seen             map[float64]bool
}

func (p *path) try(rate float64) (Trial, error) {
	offered := min(rate, p.sender)
	prompt := min(offered, p.capacity)
	t := Trial{Offered: Offered{Packets: int(offered), Took: time.Second}, Received: int(min(offered, prompt+p.queue)), Prompt: int(prompt)}
	if p.flaky && !p.seen[rate] {
		p.seen[rate] = true
		t.Received = t.Packets / 2
	}
	return t, nil
}

func TestSearch(t *testing.T) {
	inf := math.Inf(1)
	tests := map[string]struct {
		path   path
		want   float64
		sender bool
	}{
		"above the start":       {path{capacity: 431_000, sender: 1e6}, 431_000, false},
		"below the start":       {path{capacity: 3_100, sender: 1e6}, 3_100, false},
		"at the start":          {path{capacity: 20_000, sender: 1e6}, 20_000, false},
		"just below it":         {path{capacity: 19_900, sender: 1e6}, 19_900, false},
		"below the minimum":     {path{capacity: 20, sender: 1e6}, 0, false},
		"the sender is slower":  {path{capacity: inf, sender: 700_000}, 700_000, true},
		"the sender at once":    {path{capacity: inf, sender: 9_000}, 9_000, true},
		"queues a second":       {path{capacity: 50_000, sender: 1e6, queue: 50_000}, 52_600, false},
		"loses at first":        {path{capacity: 50_000, sender: 1e6, flaky: true, seen: map[float64]bool{}}, 50_000, false},
		"slow and loses, twice": {path{capacity: inf, sender: 90_000, flaky: true, seen: map[float64]bool{}}, 90_000, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Search(Limits{}, tt.path.try)
			if err != nil {
				t.Fatal(err)
			}
			// Loss up to a thousandth is allowed, so the rate may be that much too high.
			if got.Rate > tt.want*1.0011 || got.Rate < tt.want*0.95-1 || got.Sender != tt.sender {
				t.Errorf("Search found %+v, want %v, sender %v", got, tt.want, tt.sender)
			}
			if got.Trials > 24 {
				t.Errorf("Search took %d trials", got.Trials)
			}
		})
	}
}

func TestSearchError(t *testing.T) {
	broken := errors.New("broken")
	_, err := Search(Limits{}, func(float64) (Trial, error) { return Trial{}, broken })
	if !errors.Is(err, broken) {
		t.Errorf("Search: %v, want %v", err, broken)
	}
}

func TestPacer(t *testing.T) {
	tests := map[string]struct {
		p       pacer
		elapsed time.Duration
		want    int
	}{
		"at the start":       {pacer{rate: 1000}, 0, 0},
		"one is due":         {pacer{rate: 1000}, time.Millisecond, 1},
		"sent already":       {pacer{rate: 1000, sent: 1}, time.Millisecond, 0},
		"not quite":          {pacer{rate: 1000, sent: 1}, 1900 * time.Microsecond, 0},
		"slow, far behind":   {pacer{rate: 1000}, time.Second, minBurst},
		"middling":           {pacer{rate: 50_000}, time.Second, 100},
		"fast, far behind":   {pacer{rate: 1e6}, time.Second, maxBurst},
		"skipped is skipped": {pacer{rate: 1e6, sent: 256, skipped: 999_744}, time.Second, 0},
		"without a limit":    {pacer{}, 0, maxBatch},
	}
	for name, tt := range tests {
		if got := tt.p.due(tt.elapsed); got != tt.want {
			t.Errorf("%s: %d due, want %d", name, got, tt.want)
		}
	}
	p := pacer{rate: 1e6}
	p.due(time.Second)
	p.sent = maxBurst
	if got := p.due(time.Second + 10*time.Microsecond); got != 10 {
		t.Errorf("after a pause %d are due, want the 10 since", got)
	}
}
