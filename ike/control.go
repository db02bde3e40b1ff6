package ike

import (
	"fmt"
	"slices"
	"time"

	"warren/esp"
)

// Delete ends a session with a DELETE. SessionDown follows when the peer has
// answered, or after the short time of Options.Delete. A session that is not up
// yet ends at once, with SessionDown too.
func (e *Engine) Delete(id SessionID, now time.Time) error {
	s, err := e.session(id)
	if err != nil {
		return err
	}
	e.closeSession(s, ending{reason: "deleted"}, now)
	return nil
}

// Abort forgets a session without a message or an event. Its SPIs are freed.
func (e *Engine) Abort(id SessionID) {
	if s := e.sessions[id]; s != nil {
		s.closing = nil
		e.end(s, ending{silent: true, interrupted: s.state != sessionClosing}, time.Time{}) // nothing of it lingers past the next Tick
	}
}

// child finds a child SA by its inbound SPI.
func (e *Engine) child(id SessionID, spi esp.SPI) (*session, *child, error) {
	s, err := e.session(id)
	if err != nil {
		return nil, nil, err
	}
	c := s.byIn(spi)
	if c == nil || s.state != sessionUp {
		return nil, nil, fmt.Errorf("ike: session %d has no child SA %v in use", id, spi)
	}
	return s, c, nil
}

// RekeyChild replaces the child SA with inbound SPI spi, at once or, where
// another layer of its chain is just being rekeyed, after that. It does nothing
// if that one is being replaced or deleted already.
func (e *Engine) RekeyChild(id SessionID, spi esp.SPI, now time.Time) error {
	s, c, err := e.child(id, spi)
	if err != nil {
		return err
	}
	e.rekeyDue(s, c, now)
	e.arm(s)
	return nil
}

// willRekey reports whether the rekey of c waits for the window already.
func (s *session) willRekey(c *child) bool {
	return slices.ContainsFunc(s.cur.queue, func(t task) bool {
		r, ok := t.(*rekeyChild)
		return ok && r.old == c
	})
}

// DeleteChild deletes the child SA with inbound SPI spi. The session stays.
func (e *Engine) DeleteChild(id SessionID, spi esp.SPI, now time.Time) error {
	s, c, err := e.child(id, spi)
	if err != nil {
		return err
	}
	e.enqueue(s.cur, &deleteChild{c: c, reason: "deleted"}, now)
	e.arm(s)
	return nil
}

// RekeyIKE replaces the IKE SA of a session, unless that is under way, when no
// other layer of its chain is just being rekeyed.
func (e *Engine) RekeyIKE(id SessionID, now time.Time) error {
	s, err := e.session(id)
	if err != nil {
		return err
	}
	if s.state != sessionUp {
		return fmt.Errorf("ike: session %d is not up", id)
	}
	e.rekeyIKEDue(s, now)
	e.arm(s)
	return nil
}

// CreateChild asks for a further child SA. ChildUp or ChildFailed follows.
func (e *Engine) CreateChild(id SessionID, c ChildConfig, now time.Time) error {
	s, err := e.session(id)
	if err != nil {
		return err
	}
	if s.state != sessionUp || len(c.LocalTS) == 0 || len(c.RemoteTS) == 0 {
		return fmt.Errorf("ike: session %d is not up, or selectors are missing", id)
	}
	e.enqueue(s.cur, &rekeyChild{cfg: c}, now)
	e.arm(s)
	return nil
}

// Liveness checks now whether the peer lives. If it does not, SessionDown
// follows.
func (e *Engine) Liveness(id SessionID, now time.Time) error {
	s, err := e.session(id)
	if err != nil {
		return err
	}
	e.checkLiveness(s, now)
	e.arm(s)
	return nil
}

// InboundSeen says that authentic ESP of the session came in, which proves the
// peer alive as well as an IKE message does.
func (e *Engine) InboundSeen(id SessionID, now time.Time) {
	if s := e.sessions[id]; s != nil && now.After(s.lastIn) {
		s.lastIn = now
		e.arm(s)
	}
}

// ChildUsed says that authentic ESP came in on the pair with inbound SPI spi. If
// the peer made that pair to replace another, it is in use there, and so it is
// sent on from here too.
func (e *Engine) ChildUsed(id SessionID, spi esp.SPI, now time.Time) {
	s := e.sessions[id]
	if s == nil {
		return
	}
	e.InboundSeen(id, now)
	if !s.reauth.takeAt.IsZero() {
		e.takeLayers(s)
		e.arm(s)
	}
	for _, c := range s.children {
		if c.succ != nil && c.succ.spiIn == spi && c.state == childReplaced {
			e.switchOutbound(s, c, c.succ)
			return
		}
	}
}
