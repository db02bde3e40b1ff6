package blast

import "time"

const (
	// A sender that is behind its schedule, because the machine did not let it
	// run, catches up with so much time's packets but no longer burst than this.
	// The rest is never offered: it would overrun queues that hold 500 packets.
	maxBehind = 2 * time.Millisecond
	maxBurst  = 256

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
	most := min(max(p.rate*maxBehind.Seconds(), minBurst), maxBurst)
	if due > most {
		p.skipped += due - most
		due = most
	}
	return int(due)
}
