package ike

import (
	"slices"
	"time"

	"warren/esp"
	"warren/ike/message"
)

// informational answers an INFORMATIONAL request: DELETEs, a liveness check, or
// news to ignore (RFC 7296, Section 1.4).
func (e *Engine) informational(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	var resp []message.Payload
	ends, reason := false, "deleted by the peer"
	for _, p := range ps {
		switch p := p.(type) {
		case *message.Delete:
			if p.Protocol == message.ProtoIKE {
				ends = true
			} else if p.Protocol == message.ProtoESP {
				resp = append(resp, e.peerDeletes(sa, p.SPIs, now)...)
			}
		case *message.Notify:
			if p.Kind == message.AuthenticationFailed {
				ends, reason = true, "the peer does not believe who we are (AUTHENTICATION_FAILED)"
			}
		}
	}
	if ends { // the children go with their IKE SA (RFC 7296, Section 1.4.1)
		e.respond(sa, d, message.Informational, nil)
		e.peerDeletesIKE(sa, reason, now)
		return
	}
	resp = append(resp, e.aboutAddresses(sa, d, ps)...)
	if sa == sa.sess.cur {
		resp = append(resp, e.answerTicket(sa.sess, ps, now)...)
	}
	e.respond(sa, d, message.Informational, resp)
	e.run(sa.sess.cur, now)
}

// peerDeletesIKE closes sa. The session ends with it, unless another IKE SA has
// taken or now takes its place.
func (e *Engine) peerDeletesIKE(sa *ikeSA, reason string, now time.Time) {
	s := sa.sess
	t, _ := currentTask(s.cur).(*rekeyIKE)
	switch {
	case sa == s.cur && t != nil && t.passive != nil && s.state == sessionUp:
		t.release(e)
		sa.out = nil
		e.adopt(s, sa, t.passive, now)
	case sa == s.cur:
		e.end(s, ending{reason: reason, byPeer: true}, now)
		return
	}
	e.closeSA(sa, now)
}

// peerDeletes closes the pairs whose outbound SPIs the peer names, and answers
// with the inbound ones. If both ends delete a pair at once, the answer leaves
// it out (RFC 7296, Section 1.4.1).
func (e *Engine) peerDeletes(sa *ikeSA, spis []uint32, now time.Time) []message.Payload {
	s := sa.sess
	var mine []uint32
	for _, spi := range spis {
		c := s.byOut(esp.SPI(spi))
		if c == nil {
			if t, ok := currentTask(s.cur).(*rekeyChild); ok && len(t.gone) < message.MaxSPIs {
				t.gone = append(t.gone, esp.SPI(spi))
			}
			continue
		}
		if c.state != childDeleting {
			mine = append(mine, uint32(c.spiIn))
		}
		e.peerDeletesChild(s, c, now)
	}
	if len(mine) == 0 {
		return nil
	}
	return []message.Payload{&message.Delete{Protocol: message.ProtoESP, SPIs: mine}}
}

func (e *Engine) peerDeletesChild(s *session, c *child, now time.Time) {
	t := c.rekey
	if t != nil { // our rekey of it is under way: its answer decides
		t.oldGone = true
		if c.succ != nil {
			e.switchOutbound(s, c, c.succ)
			e.linger(c, now)
		}
		return
	}
	if t, ok := currentTask(s.cur).(*rekeyChild); ok && t.passive == c {
		if t.passive, t.theirs = nil, nil; t.oldGone {
			t.passiveGone = true
		} else if t.old != nil {
			t.old.succ = nil
			e.removeChild(s, c, removal{byPeer: true, reason: "redundant"}, now)
			return
		}
	}
	r := removal{byPeer: true, reason: "deleted by the peer"}
	if c.state == childRedundant {
		r.reason = "redundant"
	}
	e.deleted(s, c, r, now)
}

// deleteIKE is this node's DELETE of an IKE SA, for which it waits only a short
// time.
type deleteIKE struct{}

func (t *deleteIKE) start(e *Engine, _ *ikeSA, _ time.Time) *request {
	return &request{kind: message.Informational, retry: e.opt.Delete,
		payloads: []message.Payload{&message.Delete{Protocol: message.ProtoIKE}}}
}

func (t *deleteIKE) done(e *Engine, sa *ikeSA, _ []message.Payload, _ error, now time.Time) {
	s := sa.sess
	if sa == s.cur {
		e.end(s, ending{reason: "deleted"}, now)
		return
	}
	e.closeSA(sa, now)
}

func (t *deleteIKE) dropped(*Engine, *ikeSA, time.Time) {}

// lastWord sends the DELETE that waits behind a request without an answer. The
// peer may have got that request, so that it takes the DELETE for the next one.
// Nobody waits for the answer, so the window (RFC 7296, Section 2.3) is exceeded
// by a message that a peer may as well drop.
func (e *Engine) lastWord(s *session) {
	sa := s.cur
	waits := slices.ContainsFunc(sa.queue, func(t task) bool { _, ok := t.(*deleteIKE); return ok })
	if !waits || sa.sk == nil {
		return
	}
	data, err := e.protect(sa, message.Informational, sa.sendID, false, []message.Payload{&message.Delete{Protocol: message.ProtoIKE}})
	if err == nil {
		e.sendAll(s.path, s.natt, data)
	}
}

// livenessCheck is an empty INFORMATIONAL (RFC 7296, Section 2.4).
type livenessCheck struct{}

func (livenessCheck) start(e *Engine, sa *ikeSA, _ time.Time) *request {
	return &request{kind: message.Informational, retry: e.opt.Liveness, payloads: e.whereAmI(sa)}
}

func (livenessCheck) done(_ *Engine, sa *ikeSA, ps []message.Payload, _ error, _ time.Time) {
	sa.sess.seenAt(ps)
}

func (livenessCheck) dropped(*Engine, *ikeSA, time.Time) {}

// checkLiveness asks the peer for a sign of life, unless a request is under way
// that will prove it as well.
func (e *Engine) checkLiveness(s *session, now time.Time) {
	if s.state == sessionUp && s.cur.out == nil && !slices.ContainsFunc(s.cur.queue, isLiveness) {
		e.enqueue(s.cur, livenessCheck{}, now)
	}
}

func isLiveness(t task) bool {
	_, ok := t.(livenessCheck)
	return ok
}
