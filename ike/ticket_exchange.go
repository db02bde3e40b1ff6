package ike

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"warren/ike/message"
)

// wantsTicket reports whether s, as initiator, is to be resumed. What EAP proves it
// proves each time.
func (s *session) wantsTicket() bool { return s.peer.Resumption && s.peer.EAP == nil }

// requestTicket asks for a ticket where the configuration wants one (RFC 5723,
// Section 4.1).
func (s *session) requestTicket() []message.Payload {
	if !s.wantsTicket() {
		return nil
	}
	return []message.Payload{&message.Notify{Kind: message.TicketRequest}}
}

// answerTicket gives the peer of s a ticket if it asks for one: another one each
// time, in place of the last.
func (e *Engine) answerTicket(s *session, ps []message.Payload, now time.Time) []message.Payload {
	if s.initiator || message.GetNotify(ps, message.TicketRequest) == nil {
		return nil
	}
	t, err := e.issue(s, now)
	if err != nil {
		e.opt.Log.Error("ike: no ticket", "session", s.label(), "err", err)
	}
	if t == nil {
		return []message.Payload{&message.Notify{Kind: message.TicketNACK}}
	}
	life := uint32(t.until.Sub(now) / time.Second)
	return []message.Payload{&message.Notify{Kind: message.TicketLTOpaque, Data: append(binary.BigEndian.AppendUint32(nil, life), t.ref...)}}
}

// gives reports whether peers get tickets.
func (a *AcceptConfig) gives() bool { return a.Resumption && a.Users == nil }

// issue makes a ticket, nil where there is to be none.
func (e *Engine) issue(s *session, now time.Time) (*ticket, error) {
	e.dropTicket(s)
	if !s.accept.gives() || len(e.tickets.issued) >= maxIssued {
		return nil, nil
	}
	ref, err := e.random(refLen)
	if err != nil {
		return nil, err
	}
	t, err := e.newTicket(s, s.rekey)
	if err != nil || t.until.Sub(now) < time.Second {
		return nil, err
	}
	t.ref, t.key, t.session = ref, sha256.Sum256(ref), s.id
	if e.tickets.issued == nil {
		e.tickets.issued = make(map[[sha256.Size]byte]*ticket)
	}
	e.tickets.issued[t.key], s.resumption.ticket = t, t
	e.sweepLater(now)
	return t, nil
}

// dropTicket is for when the IKE SA that the ticket is of is replaced (RFC 5723,
// Section 6.2).
func (e *Engine) dropTicket(s *session) {
	t := s.resumption.ticket
	s.resumption.ticket = nil
	switch {
	case t == nil:
	case s.initiator:
		t.wipe()
	default:
		e.revoke(t)
	}
}

// laterTicket answers a TICKET_REQUEST in a rekey of the IKE SA: there are no keys
// yet that a ticket could be of, and the peer is to ask again (RFC 5723, Section
// 4.1).
func (s *session) laterTicket(ps []message.Payload) []message.Payload {
	switch {
	case s.initiator || message.GetNotify(ps, message.TicketRequest) == nil:
		return nil
	case !s.accept.gives():
		return []message.Payload{&message.Notify{Kind: message.TicketNACK}}
	}
	return []message.Payload{&message.Notify{Kind: message.TicketACK}}
}

// takeTicket keeps the ticket that the peer gave (RFC 5723, Section 4.2), and
// reports whether it is to be asked again for one.
func (e *Engine) takeTicket(s *session, ps []message.Payload, now time.Time) (ask bool) {
	if !s.wantsTicket() {
		return false
	}
	if message.GetNotify(ps, message.TicketACK) != nil {
		s.resumption.offers = true
		return true
	}
	n := message.GetNotify(ps, message.TicketLTOpaque)
	if n == nil || len(n.Data) < 5 || len(n.Data) > 4+maxRef {
		return false
	}
	e.dropTicket(s)
	s.resumption.offers = true
	t, err := e.newTicket(s, s.rekey)
	if err != nil {
		return false
	}
	life := time.Duration(binary.BigEndian.Uint32(n.Data)) * time.Second
	t.until = earliest(t.until, now.Add(min(life, maxTicket)))
	t.ref, t.name, t.gateway = slices.Clone(n.Data[4:]), s.name, s.peer.Remote.Addr()
	s.resumption.ticket = t
	return false
}

// askTicket asks for a ticket of an IKE SA that has taken the place of another one.
type askTicket struct{}

func (askTicket) start(_ *Engine, sa *ikeSA, _ time.Time) *request {
	if sa != sa.sess.cur || sa.sess.state != sessionUp {
		return nil
	}
	return &request{kind: message.Informational, payloads: sa.sess.requestTicket()}
}

func (askTicket) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	if err == nil && sa == sa.sess.cur {
		e.takeTicket(sa.sess, ps, now)
	}
}

func (askTicket) dropped(*Engine, *ikeSA, time.Time) {}
