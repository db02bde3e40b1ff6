package ike

import (
	"time"

	"warren/sa"
)

// Layers of one chain never rekey at the same moment: a session that this node
// opened waits while another one, inside it or outside, replaces a child or its
// IKE SA. An outer rekey that goes wrong then cannot meet an inner one that
// needs its packets. What a peer begins cannot be put off, but comes later: the
// opener of a session rekeys in the earlier half of the jitter.

const (
	// chainWait is how long a rekey waits for one in another layer before it
	// looks again, up to half as long again.
	chainWait = 200 * time.Millisecond

	// maxDepth bounds how far outward a session is followed.
	maxDepth = 64
)

// rekeyTime is when an SA of s that lives for d is to be rekeyed.
func (e *Engine) rekeyTime(s *session, born time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	share := e.share(s)
	return born.Add(d - time.Duration(float64(d)*share))
}

// share is by how much of its lifetime an SA of s is rekeyed earlier.
func (e *Engine) share(s *session) float64 {
	half := s.rekey.jitter() / 2
	if s.initiator {
		return half + half*e.fraction()
	}
	return half * e.fraction()
}

// lifetime is the life of a new child of s, its soft limits spread.
func (e *Engine) lifetime(s *session) sa.Lifetime {
	life, keep := s.rekey.Child, 1-e.share(s)
	life.SoftBytes = uint64(float64(life.SoftBytes) * keep)
	life.SoftPackets = uint64(float64(life.SoftPackets) * keep)
	return life
}

// waits reports whether a rekey of s has to wait for one in another layer. It
// waits no longer than half the time that is left until hard, when the SA ends.
func (e *Engine) waits(s *session, hard time.Time, slack time.Duration, now time.Time) bool {
	if !s.initiator || !hard.IsZero() && now.After(hard.Add(-slack/2)) {
		return false
	}
	for _, o := range e.order {
		if o != s && o.initiator && o.replaces() && (e.inside(s, o) || e.inside(o, s)) {
			return true
		}
	}
	return false
}

// chainRetry is when a rekey that has to wait is looked at again.
func (e *Engine) chainRetry(now time.Time) time.Time {
	return now.Add(chainWait + time.Duration(float64(chainWait)/2*e.fraction()))
}

// inside reports whether outer carries s.
func (e *Engine) inside(s, outer *session) bool {
	for range maxDepth {
		if s.via == sa.Network {
			return false
		}
		if s.via == outer.layer {
			return true
		}
		if s = e.carrier(s.via); s == nil {
			return false
		}
	}
	return false
}

// carrier is the session that this node opened as layer l.
func (e *Engine) carrier(l sa.Layer) *session {
	for _, o := range e.order {
		if o.initiator && o.layer == l {
			return o
		}
	}
	return nil
}

// replaces reports whether something of s is being replaced: from the request
// of a rekey, by either end, to the DELETE of what it replaced.
func (s *session) replaces() bool {
	if s.state != sessionUp {
		return false
	}
	for _, sa := range s.sas {
		switch currentTask(sa).(type) {
		case *rekeyChild, *rekeyIKE:
			return true
		}
		if sa != s.cur {
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
