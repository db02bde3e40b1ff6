package nest

import (
	"time"
)

// Backoff is how long a chain waits after a failure: Min, doubling with every
// failure in a row up to Max.
type Backoff struct {
	Min, Max time.Duration // zero means 1 s and 2 min

	// Jitter gives numbers of [0,1) that spread each wait over its upper half.
	// Nil means the whole wait.
	Jitter func() float64
}

func (b Backoff) min() time.Duration {
	if b.Min <= 0 {
		return time.Second
	}
	return b.Min
}

func (b Backoff) max() time.Duration {
	if b.Max <= 0 {
		return max(2*time.Minute, b.min())
	}
	return b.Max
}

// wait is the time to wait after so many failures in a row.
func (b Backoff) wait(attempts int) time.Duration {
	d := b.min()
	for i := 1; i < attempts && d < b.max(); i++ {
		d *= 2
	}
	d = min(d, b.max())
	if b.Jitter == nil {
		return d
	}
	return d/2 + time.Duration(b.Jitter()*float64(d/2))
}

func (m *Manager) backOff(c *chain, now time.Time) {
	c.attempts++
	c.armed = false
	c.retry = now.Add(m.opt.Backoff.wait(c.attempts))
}

// Used says that the chain carried traffic. The Manager looks at the bundles'
// own count as well.
func (m *Manager) Used(key Key, now time.Time) {
	if c := m.byKey[key]; c != nil {
		c.lastUsed, c.carried = now, true
	}
}

// countUse notices traffic since the last look.
func (m *Manager) countUse(c *chain, now time.Time) {
	if n := c.used.Load(); n != c.usedSeen {
		c.usedSeen = n
		c.lastUsed, c.carried = now, true
	}
}

// Tick does what is due: chains to be started, those whose back-off is over,
// and those that have been idle too long.
func (m *Manager) Tick(now time.Time) {
	if m.closed {
		return
	}
	for _, c := range m.chains {
		m.countUse(c, now)
		switch {
		case c.down:
		case m.idleOver(c, now):
			c.wanted = false
			m.retire(c)
		case !m.due(c, now):
		case c.wanted:
			m.begin(c)
		default:
			c.armed = true
			m.dirty = true
		}
	}
	m.settle(now)
}

// due reports whether a chain that waits for its time has waited enough.
func (m *Manager) due(c *chain, now time.Time) bool {
	switch c.state {
	case Idle:
		return c.wanted
	case Failed:
		return !c.armed && !now.Before(c.retry)
	case Degraded:
		return !now.Before(c.retry)
	}
	return false
}

func (m *Manager) idleOver(c *chain, now time.Time) bool {
	at, ok := c.idleAt()
	return ok && !now.Before(at)
}

// idleAt is when c will have been idle for too long, without more traffic.
func (c *chain) idleAt() (time.Time, bool) {
	if c.rule.Idle <= 0 || c.state != Up && c.state != Degraded {
		return time.Time{}, false
	}
	return c.lastUsed.Add(c.rule.Idle), true
}

// Next is when Tick has something to do; the zero time is never. A time in the
// past is now.
func (m *Manager) Next() time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, c := range m.chains {
		if m.closed || c.down {
			continue
		}
		if at, ok := c.idleAt(); ok {
			sooner(at)
		}
		switch {
		case c.state == Idle && c.wanted:
			sooner(time.Unix(0, 0))
		case c.state == Failed && !c.armed, c.state == Degraded:
			sooner(c.retry)
		}
	}
	return next
}

// settle lets every chain and node move until none can any more, then makes the
// view that shows it.
func (m *Manager) settle(now time.Time) {
	for moved := true; moved; {
		moved = false
		for _, c := range m.chains {
			switch {
			case c.state == RollingBack && m.finish(c):
				moved = true
			case c.state == Pending || c.state == Establishing && c.waiting.state != building:
				moved = m.move(c, now) || moved
			}
		}
		moved = m.collect() || moved
	}
	m.bury()
	m.publish()
}

// move advances c and reports whether that changed anything.
func (m *Manager) move(c *chain, now time.Time) bool {
	state, todo := c.state, c.pending.Len()
	m.advance(c, now)
	return c.state != state || c.pending.Len() != todo
}

// publish makes a new view if anything changed, and announces it before the
// commands that rely on it.
func (m *Manager) publish() {
	if !m.dirty {
		return
	}
	m.dirty = false
	m.view = m.compile()
	if len(m.commands) == 0 || m.commands[0] != Command(Publish{}) {
		m.commands = append([]Command{Publish{}}, m.commands...)
	}
}
