package ike

import (
	"bytes"
	"time"

	"warren/ike/message"
)

// loses reports whether the peer rekeys the same child and this node's exchange is
// the one with the lowest of the four nonces.
func (t *rekeyChild) loses() bool {
	return t.theirs != nil && bytes.Compare(lower(t.offer.ni, t.offer.nr), t.theirs) < 0
}

// won makes void what the peer has begun, or made, to replace the same child.
func (t *rekeyChild) won(e *Engine, s *session, now time.Time) {
	for _, sa := range s.sas {
		e.breakPromises(sa, isReplaced(t.old))
	}
	if p := t.passive; p != nil {
		p.state, p.rekeyAt, p.removeAt = childRedundant, time.Time{}, now.Add(redundantTime)
	}
	t.theirs = nil
}

// waitsForPeer puts t off while the peer replaces the same child, or the IKE SA,
// and has not come to the end of that.
func (t *rekeyChild) waitsForPeer(e *Engine, sa *ikeSA, now time.Time) bool {
	s := sa.sess
	switch {
	case t.old != nil && (s.promised(t.old) || sa.promisesIKE()):
		t.old.rekeyAt = e.retryTime(now)
		return true
	case t.old == nil && sa.promisesIKE():
		s.postponed = append(s.postponed, postponed{t, e.retryTime(now)})
		return true
	}
	return false
}

// goOn starts the additional key exchanges after CREATE_CHILD_SA.
func (t *rekeyChild) goOn(e *Engine, sa *ikeSA, ps []message.Payload, now time.Time) {
	s := sa.sess
	if err := t.follow.begin(t.offer.choice, ps); err != nil {
		t.stop(e, s, &Error{Peer: s.name, Stage: StageCreateChild, Reason: err.Error()}, now)
		return
	}
	if t.old != nil && t.loses() {
		t.offer.release(e)
		t.follow.wipe()
		t.settle(e, s, now)
		return
	}
	if t.old != nil {
		t.won(e, s, now)
	}
	sa.queue = append([]task{t}, sa.queue...)
}

// next asks for the next key exchange.
func (t *rekeyChild) next(e *Engine, sa *ikeSA, now time.Time) *request {
	s := sa.sess
	if sa != s.cur || s.state != sessionUp {
		t.dropped(e, sa, now)
		return nil
	}
	r, err := t.follow.request(e)
	if err != nil {
		t.stop(e, s, &Error{Peer: s.name, Stage: StageFollowup, Reason: err.Error()}, now)
		return nil
	}
	if t.old != nil {
		t.old.rekey = t
	}
	return r
}

// followed takes the answer to IKE_FOLLOWUP_KE.
func (t *rekeyChild) followed(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	why := &Error{Peer: s.name, Stage: StageFollowup}
	if n := childError(ps); err == nil && n != nil {
		why.Notify, why.Reason = n.Kind, "the peer ends the additional key exchanges"
		t.stop(e, s, why, now)
		e.refusedFollowup(s, n.Kind, now)
		return
	}
	last := len(t.follow.more) == 1
	if err == nil {
		err = t.follow.finish(ps)
	}
	switch {
	case err != nil:
		if last && sa.state == saUp { // the peer has made the pair
			sa.queue = append(sa.queue, &deleteSPI{spi: t.offer.spi})
		}
		why.Reason = err.Error()
		t.stop(e, s, why, now)
		e.afterKE(s, err, now)
	case last:
		s.stateLost = 0
		t.complete(e, sa, now)
	default:
		sa.queue = append([]task{t}, sa.queue...)
	}
}

// stop ends the task in the midst of its key exchanges.
func (t *rekeyChild) stop(e *Engine, s *session, why *Error, now time.Time) {
	t.offer.release(e)
	t.follow.wipe()
	t.failed(e, s, why, now)
}
