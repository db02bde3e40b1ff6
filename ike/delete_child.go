package ike

import (
	"slices"
	"time"

	"warren/esp"
	"warren/ike/message"
)

// deleteChild is this node's DELETE of a child SA (RFC 7296, Section 1.4.1).
type deleteChild struct {
	c      *child
	reason string
}

func (t *deleteChild) start(e *Engine, sa *ikeSA, _ time.Time) *request {
	c := t.c
	if c.state == childLingering || c.state == childDeleting || !slices.Contains(sa.sess.children, c) {
		return nil
	}
	t.c.rekeyAt, t.c.hardAt, t.c.removeAt = time.Time{}, time.Time{}, time.Time{}
	if c.state == childRedundant {
		t.reason = "redundant"
	}
	c.state = childDeleting
	return deleteRequest(c.spiIn)
}

func deleteRequest(spi esp.SPI) *request {
	return &request{kind: message.Informational, payloads: []message.Payload{
		&message.Delete{Protocol: message.ProtoESP, SPIs: []uint32{uint32(spi)}},
	}}
}

func (t *deleteChild) done(e *Engine, sa *ikeSA, _ []message.Payload, _ error, now time.Time) {
	if slices.Contains(sa.sess.children, t.c) {
		e.deleted(sa.sess, t.c, removal{reason: t.reason}, now)
	}
}

// deleted takes out a pair after its DELETE exchange.
func (e *Engine) deleted(s *session, c *child, r removal, now time.Time) {
	switch {
	case c.succ != nil && slices.Contains(s.children, c.succ):
		e.switchOutbound(s, c, c.succ)
		e.linger(c, now)
		return
	case r.reason != "redundant":
		r.down = !e.reinstate(s, c, now)
	}
	e.removeChild(s, c, r, now)
}

// reinstate makes the pair that c was to replace the one in use again, if c
// never was.
func (e *Engine) reinstate(s *session, c *child, now time.Time) bool {
	for _, old := range s.children {
		if old.succ == c && old.state == childReplaced && old.sending {
			old.succ, old.state, old.rekeyAt = nil, childUp, e.retryTime(now)
			return true
		}
	}
	return false
}

func (t *deleteChild) dropped(e *Engine, sa *ikeSA, now time.Time) {
	if t.c.state != childDeleting {
		return
	}
	switch {
	case t.reason == "redundant":
		t.c.state = childRedundant
	case t.c.succ != nil:
		t.c.state = childReplaced
	default:
		t.c.state = childUp
	}
	e.again(sa, t, now)
}

// deleteSPI tells the peer to delete a pair that this node never installed.
type deleteSPI struct{ spi esp.SPI }

func (t *deleteSPI) start(*Engine, *ikeSA, time.Time) *request { return deleteRequest(t.spi) }

func (t *deleteSPI) done(*Engine, *ikeSA, []message.Payload, error, time.Time) {}
func (t *deleteSPI) dropped(e *Engine, sa *ikeSA, now time.Time)               { e.again(sa, t, now) }
