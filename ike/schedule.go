package ike

import (
	"math"
	"slices"
	"time"

	"warren/esp"
	"warren/sa"
)

// Layers of one chain never rekey or authenticate anew at the same moment: a session that this node
// opened waits while another one, inside it or outside, replaces a child or its
// IKE SA. An outer rekey that goes wrong then cannot meet an inner one that
// needs its packets. What a peer begins cannot be put off, but comes later: the
// opener of a session rekeys in the earlier half of the jitter.

// chainWait is how long a rekey waits for one in another layer before it looks
// again, up to half as long again.
const chainWait = 20 * time.Millisecond

// rekeyTime is when an SA of s that lives for d is to be rekeyed: of several
// times the one furthest from what other layers of its chain have planned.
func (e *Engine) rekeyTime(s *session, born time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	var best time.Time
	var widest time.Duration
	for range planTries {
		at := born.Add(d - time.Duration(float64(d)*e.share(s)))
		gap := e.gap(s, at)
		if best.IsZero() || gap > widest {
			best, widest = at, gap
		}
		if !s.initiator {
			break // the rest of the chain is elsewhere
		}
	}
	return best
}

// planTries is how many times rekeyTime chooses from.
const planTries = 8

// share is by how much of its lifetime an SA of s is rekeyed earlier: the opener
// of the session between half of the jitter and all of it, the other end up to
// a quarter, so that there is time between the two.
func (e *Engine) share(s *session) float64 {
	j := s.rekey.jitter()
	if s.initiator {
		return j/2 + j/2*e.fraction()
	}
	return j / 4 * e.fraction()
}

// gap is how far at is from the nearest rekey that the other layers of the chain
// of s have planned.
func (e *Engine) gap(s *session, at time.Time) time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, o := range e.order {
		if o == s || !o.initiator || o.state != sessionUp || !e.inside(s, o) && !e.inside(o, s) {
			continue
		}
		plans := []time.Time{o.cur.rekeyAt, o.reauth.at}
		for _, c := range o.children {
			plans = append(plans, c.rekeyAt)
		}
		for _, t := range plans {
			if !t.IsZero() {
				least = min(least, at.Sub(t).Abs())
			}
		}
	}
	return least
}

// lifetime is the life of a new child of s, not beyond what its suite is good for,
// its soft limits spread.
func (e *Engine) lifetime(s *session, suite esp.Suite) sa.Lifetime {
	life, keep := s.rekey.Child.Within(suite.MaxBytes()), 1-e.share(s)
	life.SoftBytes = uint64(float64(life.SoftBytes) * keep)
	life.SoftPackets = uint64(float64(life.SoftPackets) * keep)
	return life
}

// waits reports whether a rekey of s has to wait for one in another layer, or for
// the reauthentication of its own. It waits no longer than half the time that is left until hard, when the SA ends.
func (e *Engine) waits(s *session, hard time.Time, slack time.Duration, now time.Time) bool {
	if !s.initiator || !hard.IsZero() && now.After(hard.Add(-slack/2)) {
		return false
	}
	for _, o := range e.order {
		if o != s && o.initiator && o.replaces() && (e.inside(s, o) || e.inside(o, s)) {
			return true
		}
	}
	return s.reauth.pred != nil || s.reauth.succ != nil
}

// chainRetry is when a rekey that has to wait is looked at again.
func (e *Engine) chainRetry(now time.Time) time.Time {
	return now.Add(chainWait + time.Duration(float64(chainWait)/2*e.fraction()))
}

// inside reports whether outer carries s.
func (e *Engine) inside(s, outer *session) bool { return slices.Contains(e.carriers(s), outer) }

// replaces reports whether something of s is being replaced: from the request
// of a rekey, by either end, to the DELETE of what it replaced.
func (s *session) replaces() bool {
	if s.reauth.succ != nil {
		return true
	}
	if s.state != sessionUp {
		return false
	}
	for _, sa := range s.sas {
		switch currentTask(sa).(type) {
		case *rekeyChild, *rekeyIKE:
			return true
		}
		if sa != s.cur || len(sa.promises) > 0 {
			return true
		}
	}
	for _, c := range s.children {
		if c.succ != nil && c.state != childLingering || c.state == childRedundant {
			return true
		}
	}
	return false
}
