package blast

import (
	"cmp"
	"fmt"
	"math"
)

const (
	// reached is the part of a rate that a sender must have offered for the trial
	// to speak for that rate.
	reached = 0.9

	// gains is how much more a sender must offer when asked for twice as much, or
	// it is at its end.
	gains = 1.1
)

// Limits says how a rate is searched for. The zero value is what a benchmark
// wants.
type Limits struct {
	// Start is the first rate to try. Zero means 20,000 packets a second.
	Start float64
	// Min is the rate below which the search gives up. Zero means 100.
	Min float64
	// Precision is how close the highest good and the lowest bad rate must come,
	// as a part of the rate. Zero means 5 %.
	Precision float64
	// Loss is what still counts as loss-free. Zero means one packet in a thousand:
	// on a machine shared with others every rate loses some now and then.
	Loss float64
	// Late is how much may still be under way when a trial's last packet was sent.
	// Zero means one packet in twenty.
	Late float64
	// Tries is how often a rate is tried until it is bad. Zero means 2.
	Tries int
}

func (l Limits) withDefaults() Limits {
	l.Start = cmp.Or(l.Start, 20_000)
	l.Min = cmp.Or(l.Min, 100)
	l.Precision = cmp.Or(l.Precision, 0.05)
	l.Loss = cmp.Or(l.Loss, 0.001)
	l.Late = cmp.Or(l.Late, 0.05)
	l.Tries = cmp.Or(l.Tries, 2)
	return l
}

// Found is the answer of Search.
type Found struct {
	Rate   float64 // packets a second, as offered; zero where even Min is too much
	Sender bool    // the sender was the limit, not the path
	Trials int
}

// Search finds the highest rate that try carries without loss or delay: it doubles or
// halves the rate until it has a good and a bad one, and then halves the
// distance between the two on a logarithmic scale.
func Search(l Limits, try func(rate float64) (Trial, error)) (Found, error) {
	s := search{limits: l.withDefaults(), try: try}
	err := s.run()
	if err != nil {
		err = fmt.Errorf("blast: search: %w", err)
	}
	return s.found, err
}

type search struct {
	limits Limits
	try    func(float64) (Trial, error)
	found  Found
}

func (s *search) run() error {
	lo, hi, err := s.bracket()
	for err == nil && lo > 0 && hi > lo*(1+s.limits.Precision) {
		mid := math.Sqrt(lo * hi)
		var good bool
		if good, _, err = s.good(mid); good {
			lo = mid
		} else {
			hi = mid
		}
	}
	return err
}

// bracket finds a good rate and a bad one at most twice as high. Without a good
// one, lo is zero; where the sender is the limit, both are the same.
func (s *search) bracket() (lo, hi float64, err error) {
	rate := s.limits.Start
	for {
		before := s.found.Rate
		good, short, err := s.good(rate)
		switch {
		case err != nil:
			return 0, 0, err
		case good && short && s.found.Rate < gains*before:
			s.found.Sender = true
			return rate, rate, nil
		case good:
			lo, rate = rate, 2*rate
			continue
		case lo > 0:
			return lo, rate, nil
		}
		return s.down(rate)
	}
}

// down halves a bad rate until it is good.
func (s *search) down(rate float64) (lo, hi float64, err error) {
	for rate > s.limits.Min {
		hi, rate = rate, rate/2
		good, _, err := s.good(rate)
		if err != nil {
			return 0, 0, err
		}
		if good {
			return rate, hi, nil
		}
	}
	return 0, 0, nil
}

// good reports whether a rate gets through, and remembers the best that did. It
// is short of it if nothing was lost, but the sender offered less.
func (s *search) good(rate float64) (good, short bool, err error) {
	for range s.limits.Tries {
		t, err := s.try(rate)
		s.found.Trials++
		if err != nil {
			return false, false, err
		}
		if t.Loss() > s.limits.Loss || t.Late() > s.limits.Late {
			continue
		}
		s.found.Rate = max(s.found.Rate, t.Rate())
		if t.Rate() >= reached*rate {
			return true, false, nil
		}
		short = true
	}
	return short, short, nil
}
