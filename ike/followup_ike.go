package ike

import (
	"bytes"
	"time"

	"warren/ike/message"
)

// loses reports whether the peer rekeys the IKE SA too and this node's exchange is
// the one with the lowest of the four nonces.
func (t *rekeyIKE) loses() bool {
	return t.theirs != nil && bytes.Compare(lower(t.ni, t.nr), t.theirs) < 0
}

// won makes void what the peer has begun, or made, to replace sa.
func (t *rekeyIKE) won(e *Engine, sa *ikeSA, now time.Time) {
	e.breakPromises(sa, func(p *promise) bool { return p.rekey != nil })
	if p := t.passive; p != nil {
		p.state, p.dropAt = saReplaced, now.Add(redundantTime)
	}
	t.passive, t.theirs = nil, nil
}

// goOn starts the additional key exchanges after CREATE_CHILD_SA.
func (t *rekeyIKE) goOn(e *Engine, sa *ikeSA, ps []message.Payload, now time.Time) {
	if err := t.follow.begin(t.choice, ps); err != nil {
		t.complete(e, sa, err, now)
		return
	}
	if t.loses() {
		t.release(e)
		t.settle(e, sa, now)
		return
	}
	t.won(e, sa, now)
	sa.queue = append([]task{t}, sa.queue...)
}

// next asks for the next key exchange.
func (t *rekeyIKE) next(e *Engine, sa *ikeSA, now time.Time) *request {
	s := sa.sess
	if sa != s.cur || sa.state != saUp || s.state != sessionUp {
		t.release(e)
		return nil
	}
	r, err := t.follow.request(e)
	if err != nil {
		t.complete(e, sa, err, now)
		return nil
	}
	return r
}

// followed takes the answer to IKE_FOLLOWUP_KE.
func (t *rekeyIKE) followed(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	if n := childError(ps); err == nil && n != nil {
		t.complete(e, sa, &Error{Peer: s.name, Stage: StageFollowup, Notify: n.Kind,
			Reason: "the peer ends the additional key exchanges"}, now)
		e.refusedFollowup(s, n.Kind, now)
		return
	}
	if err == nil {
		err = t.follow.finish(ps)
	}
	if err == nil && t.follow.active() {
		sa.queue = append([]task{t}, sa.queue...)
		return
	}
	s.stateLost = 0
	t.complete(e, sa, err, now)
}
