package ike

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"warren/ike/message"
)

// acceptResume answers IKE_SESSION_RESUME: with a half-open IKE SA, or with
// TICKET_NACK and nothing that is remembered (RFC 5723, Section 4.3.2). The ticket
// is used when IKE_AUTH has proven who presents it.
func (e *Engine) acceptResume(d Datagram, m *message.Message, in initPayloads, key initKey, now time.Time) error {
	t := e.tickets.issued[sha256.Sum256(in.ticket)]
	err := e.mayResume(t, d.Path.Local.Addr(), now)
	if err != nil {
		e.unprotected(d, m.Header, &message.Notify{Kind: message.TicketNACK})
		return err
	}
	knows := supportOf(m.Payloads)
	return e.openHalf(d, m, halfInput{choice: t.seed.Choice(), support: support{fragments: knows.fragments, childless: true},
		ni: in.nonce, key: key, proven: in.proven, ticket: t}, now)
}

// mayResume is what can be told before it is known who presents t, which may be nil.
func (e *Engine) mayResume(t *ticket, local netip.Addr, now time.Time) error {
	if t == nil || t.ended(now) {
		return errors.New("its ticket is not known, or not any more")
	}
	why := errors.New("nothing is accepted at " + local.String())
	for i := range e.opt.Accept {
		if a := &e.opt.Accept[i]; a.serves(local) {
			if why = a.resumes(t, now); why == nil {
				return nil
			}
		}
	}
	return why
}

// resumes reports why the session of t is not one that a lets in any more, as far
// as that is cheap to tell.
func (a *AcceptConfig) resumes(t *ticket, now time.Time) error {
	switch c := t.seed.Choice(); {
	case !a.Resumption:
		return errors.New("sessions are not resumed")
	case a.Users != nil:
		return errors.New("users must prove themselves by EAP each time")
	case t.local != a.LocalID:
		return fmt.Errorf("%v was with %v, and we are %v", t.remote, t.local, a.LocalID)
	case !a.admits(t.remote):
		return fmt.Errorf("%v matches none of the accepted ids", t.remote)
	case !a.permits(c):
		return fmt.Errorf("%v comes with %v, which is not accepted of it", t.remote, c)
	case (a.Trust == nil) != (t.proof.certs == nil):
		return fmt.Errorf("%v has proven itself in another way than is wanted", t.remote)
	case a.PPKRequired && t.proof.ppk == "":
		return fmt.Errorf("%v has used no PPK, which is required", t.remote)
	case due(t.endsBy(a.Rekey), now):
		return fmt.Errorf("the session of %v has lasted long enough", t.remote)
	}
	return nil
}

// authResumed answers the IKE_AUTH of a resumed session: who presents the ticket,
// would it be let in today, and its child SA (RFC 5723, Section 4.3.3).
func (e *Engine) authResumed(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	s, t := sa.sess, sa.sess.half.ticket
	s.remoteID = t.remote
	if err := s.presents(ps); err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	if e.tickets.issued[t.key] != t || t.ended(now) {
		e.denyAuth(sa, d, "its ticket was used, or has ended", now)
		return
	}
	a, err := e.readmit(s, t, now)
	if lists, ok := err.(*crlWait); ok {
		e.await(s, lists, func(now time.Time) { e.authResumed(sa, d, ps, now) }, func() {}, now)
		return
	}
	if err != nil {
		e.revoke(t)
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	if !fits(ps, d.Path) {
		e.denyAuthWith(sa, d, message.UnexpectedNATDetected, "a NAT is in between, and the peer allows none", now)
		return
	}
	e.adoptAccept(s, a)
	idr := s.localID.payload(true)
	own, err := s.proveResumed(s.half.responderInput(idr))
	if err != nil {
		e.denyAuth(sa, d, err.Error(), now)
		return
	}
	s.resumed(t)
	e.revoke(t)
	if old := e.sessions[t.session]; old != nil {
		e.end(old, ending{reason: fmt.Sprintf("%v resumed it", t.remote), byPeer: true}, now)
	}
	e.finishAuth(sa, d, ps, []message.Payload{idr, own}, now)
}

// presents reports why ps do not come from who the ticket was given to. Identities
// must be those of the ticket, octet by octet, and nothing else proves them.
func (s *session) presents(ps []message.Payload) error {
	t := s.half.ticket
	auth, ok := message.Get[*message.Auth](ps)
	id, idr := message.GetID(ps, false), message.GetID(ps, true)
	switch {
	case !ok || id == nil:
		return errors.New("IDi or AUTH is missing")
	case message.Count(ps, message.PayloadCert) > 0:
		return errors.New("there is a certificate in a resumed session")
	case idOf(id) != t.remote || idr != nil && idOf(idr) != t.local:
		return errors.New("the identities are not those of its ticket")
	}
	return s.verifyResumed(auth, s.half.initiatorInput(id))
}

// readmit finds the AcceptConfig under which the peer of t would still be let in
// with the proof that it gave.
func (e *Engine) readmit(s *session, t *ticket, now time.Time) (*AcceptConfig, error) {
	var why error
	for i := range e.opt.Accept {
		a := &e.opt.Accept[i]
		if !a.serves(s.path.Local.Addr()) {
			continue
		}
		err := a.resumes(t, now)
		if err == nil {
			if err = e.stillProven(s, a, t, now); err == nil {
				return a, nil
			}
		}
		if _, waits := err.(*crlWait); waits {
			return nil, err
		}
		why = cmp.Or(why, err)
	}
	return nil, cmp.Or(why, errors.New("nothing is accepted at "+s.path.Local.Addr().String()))
}

// stillProven reports why the proof that the peer gave is not good for a any more:
// another key, or a certificate that has ended or was revoked.
func (e *Engine) stillProven(s *session, a *AcceptConfig, t *ticket, now time.Time) error {
	c, err := a.credentials(t.remote)
	if err != nil {
		return err
	}
	defer c.wipe()
	if t.proof.ppk != "" && !a.findPPK(c, append([]byte{ppkFixed}, t.proof.ppk...)) {
		return fmt.Errorf("the PPK %q is not known any more", t.proof.ppk)
	}
	if sum, err := e.digest(c); err != nil || sum != t.proof.secrets {
		return fmt.Errorf("the pre-shared keys with %v have changed", t.remote)
	}
	if a.Trust == nil {
		return nil
	}
	peer, err := a.Trust.Verify(t.proof.certs, t.remote.payload(false), now)
	if err != nil {
		return err
	}
	return e.unrevoked(s, a.Trust, peer, now)
}
