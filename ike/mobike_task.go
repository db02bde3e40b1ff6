package ike

import (
	"bytes"
	"fmt"
	"time"

	"warren/ike/message"
)

// updateAddresses is the initiator's UPDATE_SA_ADDRESSES (RFC 4555, Section
// 3.5). Its answer is void when the path has changed again meanwhile: the next
// update is queued then.
type updateAddresses struct {
	move   int
	cookie *message.Notify
}

func (*updateAddresses) about() mobileKind { return aboutUpdate }

func (t *updateAddresses) start(e *Engine, sa *ikeSA, _ time.Time) *request {
	s := sa.sess
	if s.state != sessionUp {
		return nil
	}
	t.move = s.mob.moves
	ps := []message.Payload{&message.Notify{Kind: message.UpdateSAAddresses}}
	more, err := e.addressProof(sa)
	if err == nil {
		t.cookie, err = e.cookie2()
	}
	if err != nil {
		e.opt.Log.Error("ike: addresses not updated", "session", s.label(), "err", err)
		return nil
	}
	return &request{kind: message.Informational, payloads: append(append(ps, more...), t.cookie)}
}

// addressProof is NAT detection, or where no NAT may be its prohibition.
func (e *Engine) addressProof(sa *ikeSA) ([]message.Payload, error) {
	s := sa.sess
	if !s.natTraversal() {
		return []message.Payload{noNATs(s.path)}, nil
	}
	return e.natNotifies(sa.spiI, sa.spiR, s.path, true)
}

func (t *updateAddresses) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	if s.state != sessionUp || t.move != s.mob.moves {
		s.prove()
		return
	}
	if err != nil || !returned(t.cookie, ps) { // RFC 4555, Section 3.7
		e.closeSession(s, ending{reason: "the peer does not prove that it got the new address: COOKIE2 differs"}, now)
		return
	}
	if n := childError(ps); n != nil {
		t.refused(e, s, n.Kind, now)
		return
	}
	s.mob.refused = 0
	if nat := detectNAT(ps, sa.spiI, sa.spiR, s.path); nat.known {
		s.peerNAT = nat.peer
	}
	s.mob.seen = seenIn(ps)
	e.reached(s)
}

// refused ends the session that cannot live at its new address, after some more
// tries if somebody translated it on the way (RFC 4555, Section 3.9).
func (t *updateAddresses) refused(e *Engine, s *session, n message.NotifyType, now time.Time) {
	if s.mob.refused++; n == message.UnexpectedNATDetected && s.mob.refused < e.opt.Retransmit.Tries {
		s.hurry(&updateAddresses{})
		return
	}
	e.closeSession(s, ending{reason: fmt.Sprintf("%v does not take the address %v: %v", s.remoteID, s.path.Local.Addr(), n)}, now)
}

func (t *updateAddresses) dropped(e *Engine, sa *ikeSA, now time.Time) { e.again(sa, t, now) }

// announce is the news of a responder that it is somewhere else.
type announce struct{}

func (announce) about() mobileKind { return aboutAnnounce }

func (announce) start(e *Engine, sa *ikeSA, _ time.Time) *request {
	s := sa.sess
	if s.state != sessionUp {
		return nil
	}
	ps := e.additional(s)
	if len(ps) == 0 {
		ps = append(ps, &message.Notify{Kind: message.NoAdditionalAddresses})
	}
	if !s.natTraversal() {
		ps = append(ps, noNATs(s.path))
	}
	return &request{kind: message.Informational, payloads: ps}
}

func (announce) done(_ *Engine, sa *ikeSA, _ []message.Payload, _ error, _ time.Time) {
	sa.sess.prove()
}

func (t announce) dropped(e *Engine, sa *ikeSA, now time.Time) { e.again(sa, t, now) }

// returnRoutability asks the peer for a cookie at the address that it moved to,
// before ESP goes there (RFC 4555, Section 3.7).
type returnRoutability struct {
	move   int
	cookie *message.Notify
}

func (*returnRoutability) about() mobileKind { return aboutRoutability }

func (t *returnRoutability) start(e *Engine, sa *ikeSA, _ time.Time) *request {
	s := sa.sess
	if s.state != sessionUp {
		return nil
	}
	var err error
	if t.cookie, err = e.cookie2(); err != nil {
		e.opt.Log.Error("ike: address not checked", "session", s.label(), "err", err)
		return nil
	}
	t.move = s.mob.moves
	return &request{kind: message.Informational, payloads: []message.Payload{t.cookie}}
}

func (t *returnRoutability) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	switch {
	case s.state != sessionUp || t.move != s.mob.moves:
		s.prove()
	case err != nil || !returned(t.cookie, ps):
		e.closeSession(s, ending{reason: fmt.Sprintf("the peer is not at %v, where it says: COOKIE2 differs", s.path.Remote)}, now)
	default:
		e.reached(s)
	}
}

func (t *returnRoutability) dropped(e *Engine, sa *ikeSA, now time.Time) { e.again(sa, t, now) }

// whereAmI is what a liveness check asks besides: where the peer sees this
// node, which a NAT may have changed (RFC 4555, Section 3.8).
func (e *Engine) whereAmI(sa *ikeSA) []message.Payload {
	s := sa.sess
	if !s.initiator || !s.mob.on || !s.natTraversal() {
		return nil
	}
	ps, err := e.natNotifies(sa.spiI, sa.spiR, s.path, true)
	if err != nil {
		return nil
	}
	return ps
}

// seenAt takes the answer to whereAmI. A rekey changes it too, since the hash is
// over the SPIs; an update more does no harm.
func (s *session) seenAt(ps []message.Payload) {
	got := seenIn(ps)
	if s.initiator && s.mob.on && s.state == sessionUp && got != nil && !bytes.Equal(got, s.mob.seen) {
		s.hurry(&updateAddresses{})
	}
}

// seenIn is the hash of this node's address as the peer saw it.
func seenIn(ps []message.Payload) []byte {
	if n := message.GetNotify(ps, message.NATDetectionDestinationIP); n != nil {
		return n.Data
	}
	return nil
}
