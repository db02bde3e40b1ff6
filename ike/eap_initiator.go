package ike

import (
	"errors"
	"fmt"
	"time"

	"warren/ike/eap"
	"warren/ike/message"
	"warren/ike/trust"
)

// CertificateAccount proves itself by EAP-TLS with cert to an authenticator whose
// certificate must prove server to the store.
func CertificateAccount(user string, cert *trust.Credential, store *trust.Store, server ID) *eap.Account {
	return eap.CertificateAccount(user, cert, store, server.payload(true))
}

// closeEAP ends EAP, wherever it is.
func (s *session) closeEAP() {
	if s.eapPeer != nil {
		s.eapPeer.Close()
		s.eapPeer = nil
	}
	if s.eapServer != nil {
		s.eapServer.Close()
		s.eapServer = nil
	}
}

// startEAP goes on with an IKE_AUTH whose responder has proven itself. Only now does
// it hear anything that depends on this node's secrets (CVE-2015-4171), so nobody
// poses as a responder to find them.
func (t *authTask) startEAP(e *Engine, sa *ikeSA, ps []message.Payload, now time.Time) {
	s := sa.sess
	e.settleCandidates(s, now)
	s.half.idr = message.GetID(ps, true)
	s.eapPeer = s.auth.eap.Start(e.opt.Rand, now)
	t.nextEAP(e, sa, ps, now)
}

// nextEAP answers the responder's message of EAP, or ends the session.
func (t *authTask) nextEAP(e *Engine, sa *ikeSA, ps []message.Payload, now time.Time) {
	s := sa.sess
	m, ok := message.Get[*message.EAP](ps)
	if !ok {
		t.failEAP(e, s, ps, errors.New("it sends no EAP payload"), now)
		return
	}
	answer, done, err := s.eapPeer.Next(m.Data)
	switch {
	case done != nil:
		t.proveByEAP(e, sa, done, now)
	case answer != nil:
		e.enqueue(sa, &eapTask{first: t, say: []message.Payload{&message.EAP{Data: answer}}, failed: err}, now)
	default:
		t.failEAP(e, s, ps, err, now)
	}
}

// proveByEAP ends EAP with the AUTH that its key makes (RFC 7296, Section 2.16).
func (t *authTask) proveByEAP(e *Engine, sa *ikeSA, r *eap.Result, now time.Time) {
	s := sa.sess
	if r.Server != nil {
		err := e.unrevoked(s, s.auth.trust, r.Server, now)
		if lists, ok := err.(*crlWait); ok {
			e.await(s, lists, func(now time.Time) { t.proveByEAP(e, sa, r, now) }, func() { t.child.release(e) }, now)
			return
		}
		if err != nil {
			t.failEAP(e, s, nil, fmt.Errorf("the server is not proven: %w", err), now)
			return
		}
		s.lasts(r.Server.Ends())
	}
	clear(s.auth.psk)
	s.auth = byEAP(s.eapPeer.Method(), r.MSK, s.auth.ppk)
	_, proof, err := s.auth.provePPK(e, s, s.half.initiatorInput(s.localID.payload(false)))
	if err != nil {
		t.failEAP(e, s, nil, err, now)
		return
	}
	e.enqueue(sa, &eapTask{first: t, say: proof, last: true}, now)
}

// failEAP ends the session. ps is what the responder has sent last.
func (t *authTask) failEAP(e *Engine, s *session, ps []message.Payload, err error, now time.Time) {
	t.child.release(e)
	why := &Error{Peer: s.name, Stage: StageAuth, Reason: "EAP: " + err.Error()}
	if n := childError(ps); n != nil {
		why.Notify = n.Kind
	} else if m, ok := message.Get[*message.EAP](ps); ok && m.Data[0] == byte(eap.CodeFailure) {
		why.Notify = message.AuthenticationFailed // in other words
	}
	t.rejected(e, s, why, now)
}

// An eapTask is a further IKE_AUTH of an initiator that proves itself by EAP.
type eapTask struct {
	first  *authTask // with the child SA that was asked for
	say    []message.Payload
	last   bool  // it says AUTH
	failed error // EAP has failed already, and the responder is told
}

func (t *eapTask) start(*Engine, *ikeSA, time.Time) *request {
	return &request{kind: message.IKEAuth, payloads: t.say}
}

func (t *eapTask) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	if err == nil {
		err = t.failed
	}
	switch {
	case s.state == sessionClosing:
		t.first.child.release(e)
	case err != nil:
		t.first.failEAP(e, s, ps, err, now)
	case t.last:
		t.first.done(e, sa, ps, nil, now)
	default:
		t.first.nextEAP(e, sa, ps, now)
	}
}

func (t *eapTask) dropped(e *Engine, _ *ikeSA, _ time.Time) { t.first.child.release(e) }
