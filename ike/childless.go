package ike

import (
	"time"

	"warren/ike/message"
	"warren/policy"
)

// childless reports whether an IKE_AUTH request leaves the child SA out (RFC 6023,
// Section 3): one that has only some of its payloads is malformed.
func childless(ps []message.Payload) bool {
	_, ok := message.Get[*message.SA](ps)
	return !ok && message.GetTS(ps, false) == nil && message.GetTS(ps, true) == nil
}

// childless reports whether the initiator's IKE_AUTH leaves the child SA out, which
// the responder must have allowed (RFC 6023, Section 3).
func (s *session) childless() bool {
	return s.peer.Childless != ChildlessNever && s.support.childless
}

// firstChild is the child SA that a session is opened for.
func (s *session) firstChild() ChildConfig {
	c := ChildConfig{Layer: s.layer, Mode: s.peer.Mode, LocalTS: s.proposedLocal(), RemoteTS: s.peer.RemoteTS}
	if len(c.RemoteTS) == 0 {
		c.RemoteTS = policy.Everything()
	}
	return c
}

// askForChild asks for the first child SA of a session that came up without one. Where
// there is a PPK that happens on an IKE SA that it protects (RFC 8784, Section 6).
func (e *Engine) askForChild(s *session, now time.Time) {
	s.halfBy = now.Add(e.opt.ChildlessTime)
	if s.mixed && !s.resumption.used { // else it is in the keys already
		s.cur.rekeyAt = time.Time{}
		e.enqueue(s.cur, &rekeyIKE{}, now)
	}
	e.enqueue(s.cur, &rekeyChild{cfg: s.firstChild()}, now)
}
