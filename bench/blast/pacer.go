package blast

import "time"

const (
	// maxBehind is how far behind its schedule a sender may be and still catch
	// up. More would send bursts that no queue holds, because the machine did
	// not let the sender run; those packets are never offered.
	maxBehind = 500 * time.Microsecond

	// minBurst is what may be sent at once at any rate: timers wake a sender
	// every 50 to 100 µs.
	minBurst = 32
)

// A pacer says how many packets are due.
type pacer struct {
	rate    float64 // packets a second; zero is no limit
	sent    int
	skipped float64 // packets of the schedule that were given up
}

func (p *pacer) due(elapsed time.Duration) int {
	if p.rate == 0 {
		return maxBatch
	}
	due := p.rate*elapsed.Seconds() - float64(p.sent) - p.skipped
	most := max(p.rate*maxBehind.Seconds(), minBurst)
	if due > most {
		p.skipped += due - most
		due = most
	}
	return int(due)
}
