package ike

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// authRequest answers IKE_AUTH: who is it, may it come in, and its child SA.
func (e *Engine) authRequest(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	s := sa.sess
	if s.half.ticket != nil {
		e.authResumed(sa, d, ps, now)
		return
	}
	proof, ok := message.Get[*message.Auth](ps)
	id := message.GetID(ps, false)
	switch {
	case s.eapServer != nil:
		e.eapRequest(sa, d, ps, now)
		return
	case id == nil:
		e.denyAuth(sa, d, "IDi is missing", now)
		return
	}
	if s.remoteID = idOf(id); !ok {
		e.startEAP(sa, d, ps, now)
		return
	}
	p := peerProof{id: id, auth: proof, in: s.half.initiatorInput(id)}
	p.certs, p.other = readCerts(ps)
	a, auth, err := e.admit(s, ps, p, now)
	if lists, ok := err.(*crlWait); ok {
		e.await(s, lists, func(now time.Time) { e.authRequest(sa, d, ps, now) }, func() {}, now)
		return
	}
	if err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	defer auth.wipe()
	if !fits(ps, d.Path) {
		e.denyAuthWith(sa, d, message.UnexpectedNATDetected, "a NAT is in between, and the peer allows none", now)
		return
	}
	e.letIn(sa, d, ps, a, auth, now)
}

// letIn answers a peer that has proven itself under a, and asks for what is in ps.
func (e *Engine) letIn(sa *ikeSA, d Datagram, ps []message.Payload, a *AcceptConfig, auth *credentials, now time.Time) {
	s := sa.sess
	e.adoptAccept(s, a)
	if err := e.settlePPK(s, auth.ppk.given()); err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	proof, err := e.ownProof(s, auth, sa.keys)
	if err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	e.proven(s, auth, now)
	e.finishAuth(sa, d, ps, append(proof, s.ppkAnswer()...), now)
}

// ownProof are the payloads by which a responder proves itself. After EAP it is
// known who it says to be.
func (e *Engine) ownProof(s *session, auth *credentials, k crypt.Keys) ([]message.Payload, error) {
	idr := s.localID.payload(true)
	certs, own, err := auth.prove(e, s, k, s.half.responderInput(idr))
	if auth.by != 0 {
		return []message.Payload{own}, err
	}
	return slices.Concat([]message.Payload{idr}, certs, []message.Payload{own}), err
}

// admit finds the AcceptConfig under which the peer proves the identity that it
// claims, and the credentials for it, whose pre-shared key the caller wipes. The
// first reason is told where there is none.
func (e *Engine) admit(s *session, ps []message.Payload, p peerProof, now time.Time) (*AcceptConfig, *credentials, error) {
	var foreign, unproven error
	idr := message.GetID(ps, true)
	for i := range e.opt.Accept {
		a := &e.opt.Accept[i]
		if !a.serves(s.path.Local.Addr()) || a.Users != nil {
			continue
		}
		if err := a.wants(s, idr); err != nil {
			foreign = cmp.Or(foreign, err)
			continue
		}
		c, err := a.credentials(s.remoteID)
		if err == nil {
			if err = a.verify(e, s, c, ps, p, now); err == nil {
				return a, c, nil
			}
			c.wipe()
		}
		if _, waits := err.(*crlWait); waits {
			return nil, nil, err
		}
		unproven = cmp.Or(unproven, fmt.Errorf("%v is not proven to %v: %w%s", s.remoteID, a.LocalID, err, a.see()))
	}
	return nil, nil, cmp.Or(unproven, foreign, errors.New("nothing is accepted at "+s.path.Local.Addr().String()))
}

// wants reports why a is not for the identities that the peer names.
func (a *AcceptConfig) wants(s *session, idr *message.ID) error {
	switch {
	case idr != nil && !idOf(idr).Equal(a.LocalID):
		return fmt.Errorf("%v asks for %v, and we are %v", s.remoteID, idOf(idr), a.LocalID)
	case a.Users == nil && !a.admits(s.remoteID): // with EAP it is not known yet who it is
		return fmt.Errorf("%v matches none of the accepted ids", s.remoteID)
	case !a.permits(s.cur.choice):
		return fmt.Errorf("%v comes with %v, which is not accepted of it", s.remoteID, s.cur.choice)
	}
	return nil
}

// credentials are what must prove remote, and what proves this node to it.
func (a *AcceptConfig) credentials(remote ID) (*credentials, error) {
	c := &credentials{cert: a.Cert, trust: a.Trust}
	if !a.usesPSK() {
		return c, nil
	}
	key, ok := a.PSK(remote)
	if !ok || len(key) == 0 {
		return nil, fmt.Errorf("no pre-shared key for %v", remote)
	}
	c.psk = slices.Clone(key)
	return c, nil
}

// permits reports whether algorithms that another AcceptConfig may have chosen are
// among those of a.
func (a *AcceptConfig) permits(c crypt.Choice) bool {
	return slices.ContainsFunc(a.IKE, func(p Proposal) bool { return p.Permits(c) })
}

func (e *Engine) adoptAccept(s *session, a *AcceptConfig) {
	s.accept, s.name, s.localID = a, a.Name, a.LocalID
	s.ike, s.esp = a.IKE, a.ESP
	s.rekey, s.liveness, s.window = a.Rekey, a.Liveness, a.Window
	s.layer = a.NextLayer()
	s.outside = len(e.carriers(s))
}

// denyAuth answers AUTHENTICATION_FAILED, whatever the reason, and forgets the
// session (RFC 7296, Section 2.21.2).
func (e *Engine) denyAuth(sa *ikeSA, d Datagram, reason string, now time.Time) {
	e.denyAuthWith(sa, d, message.AuthenticationFailed, reason, now)
}

func (e *Engine) denyAuthWith(sa *ikeSA, d Datagram, n message.NotifyType, reason string, now time.Time) {
	e.respond(sa, d, message.IKEAuth, []message.Payload{&message.Notify{Kind: n}})
	e.authFailed(sa, reason, n, now)
}

// authFailed ends a responder's session that was not authenticated.
func (e *Engine) authFailed(sa *ikeSA, reason string, n message.NotifyType, now time.Time) {
	s := sa.sess
	name := s.name
	if name == "" {
		name = s.path.Remote.String()
	}
	if s.accept != nil {
		reason += s.accept.see()
	}
	e.refuse(RefusedNotProven)
	e.strangers.line(now, slog.LevelWarn, "ike: peer refused", "remote", s.path.Remote.String(),
		"id", s.remoteID.String(), "notify", n.String(), "reason", reason)
	e.fail(s, &Error{Peer: name, Stage: StageAuth, Reason: reason, Notify: n}, now)
}

// finishAuth answers an authentic IKE_AUTH. Without a child SA, whether it was
// refused or not asked for (RFC 6023), the IKE SA stays up for the initiator to
// delete or to ask again (RFC 7296, Section 2.21.2).
func (e *Engine) finishAuth(sa *ikeSA, d Datagram, ps, resp []message.Payload, now time.Time) {
	s := sa.sess
	half := s.half
	contact := message.GetNotify(ps, message.InitialContact) != nil
	anew := contact || half.ticket != nil
	c := &childAnswer{first: true, anew: anew, ni: half.ni, nr: half.nr}
	cp, no := e.grant(s, ps)
	none := no == nil && childless(ps)
	if no == nil && !none {
		no = c.build(e, sa, ps, now)
	}
	if !contact {
		e.thin(e.twins(s), now)
	}
	e.up(s, now)
	if contact {
		e.outdate(s, now)
	}
	s.halfBy = now.Add(e.opt.ChildlessTime) // an IKE SA without a child is not kept for long
	if no != nil {
		e.opt.Log.Info("ike: no child SA", "session", s.label(), "remote", s.remoteID.String(), "notify", no.notify.String(), "reason", no.reason+s.accept.see())
		e.respond(sa, d, message.IKEAuth, append(resp, no.payload()))
		e.emit(ChildFailed{Session: s.id, Layer: s.layer,
			Err: &Error{Peer: s.name, Stage: StageAuth, Reason: no.reason, Notify: no.notify}})
		return
	}
	if cp != nil {
		resp = append(resp, cp)
	}
	resp = slices.Concat(resp, e.answerMOBIKE(s, ps), e.answerTicket(s, ps, now))
	if none {
		e.respond(sa, d, message.IKEAuth, resp)
		return
	}
	e.introduce(s, c.child, c.takes, c.keys)
	e.respond(sa, d, message.IKEAuth, append(resp, c.payloads...))
}
