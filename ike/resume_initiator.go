package ike

import (
	"errors"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// resumeTries is how often IKE_SESSION_RESUME is sent before a full exchange is
// tried: the peer may not know it any more.
const resumeTries = 2

// takeKept takes the newest ticket out that resumes a session of c, which proves
// itself by auth; nil if there is none.
func (e *Engine) takeKept(c *PeerConfig, auth *credentials, now time.Time) *ticket {
	k := &e.tickets
	if !c.Resumption || c.EAP != nil {
		return nil
	}
	for i, t := range slices.Backward(k.kept) {
		if t.name == c.Name && e.fits(t, c, auth, now) {
			k.kept = slices.Delete(k.kept, i, i+1)
			return t
		}
	}
	return nil
}

// fits reports whether t is good for what c says now.
func (e *Engine) fits(t *ticket, c *PeerConfig, auth *credentials, now time.Time) bool {
	switch {
	case t.ended(now) || due(t.endsBy(c.Rekey), now):
	case t.local != c.LocalID || t.remote != c.RemoteID || t.gateway != c.Remote.Addr():
	case !slices.ContainsFunc(c.IKE, func(p Proposal) bool { return p.Permits(t.seed.Choice()) }):
	case t.proof.ppk != auth.ppk.ID:
	default:
		sum, err := e.digest(auth)
		return err == nil && sum == t.proof.secrets && t.proof.holds(auth, t.remote, now)
	}
	return false
}

// holds reports whether the peer would still be believed what it has proven.
func (p *proof) holds(c *credentials, remote ID, now time.Time) bool {
	if c.trust == nil || p.certs == nil {
		return c.trust == nil && p.certs == nil
	}
	peer, err := c.trust.Verify(p.certs, remote.payload(true), now)
	if err != nil {
		return false
	}
	wants, err := c.trust.Check(peer, now)
	return err == nil && len(wants.Now) == 0
}

// resumePayloads are those of IKE_SESSION_RESUME beside cookie and NAT detection
// (RFC 5723, Section 4.3.2).
func (i *initState) resumePayloads() []message.Payload {
	return []message.Payload{&message.Nonce{Data: i.ni}, &message.Notify{Kind: message.TicketOpaque, Data: i.ticket.ref}}
}

// resumedCandidate takes an answer to IKE_SESSION_RESUME.
func (s *session) resumedCandidate(m *message.Message) (*candidate, error) {
	i := s.init
	nr, err := readNonce(m)
	if err != nil {
		return nil, err
	}
	if m.SPIr == 0 {
		return nil, errors.New("its answer has no SPI")
	}
	c := &candidate{spiR: m.SPIr, choice: i.ticket.seed.Choice(), path: s.initPath(), sendID: 1, support: supportOf(m.Payloads),
		half: &halfState{ni: i.ni, nr: nr, initMsg: i.request, respMsg: m.Raw, ticket: i.ticket}}
	if err := c.agreeChildless(s.peer.Childless); err != nil {
		return nil, err
	}
	if err := c.encapsulate(s, detectNAT(m.Payloads, s.cur.spiI, m.SPIr, c.path)); err != nil {
		return nil, err
	}
	c.support.ppk, c.support.intermediate = false, false // what they would do is in SK_d
	if c.keys, err = i.ticket.seed.Keys(crypt.KeyInput{Ni: i.ni, Nr: nr, SPIi: s.cur.spiI, SPIr: m.SPIr}); err != nil {
		return nil, err
	}
	c.sk, err = crypt.NewSK(c.keys, true)
	return c, err
}

// startOver gives up to resume s, and begins with IKE_SA_INIT. Nobody has
// authenticated a TICKET_NACK: at worst an exchange is made that could have been
// spared. A ticket is not presented again to a responder that refused it.
func (e *Engine) startOver(s *session, refused bool, now time.Time) {
	if refused {
		s.resumption.spare.wipe()
		s.resumption.spare = nil
	}
	e.opt.Log.Debug("ike: session not resumed", "session", s.label(), "refused", refused)
	old := s.cur
	e.settleCandidates(s, now)
	spi, err := e.newSPI()
	if err == nil {
		s.half = nil
		s.init = &initState{}
		s.natt, s.peerNAT, s.support, s.path = false, false, support{}, s.initPath()
		s.cur = e.newSA(s, true, spi, now)
		e.closeSA(old, now)
		err = e.beginInit(s, now)
	}
	if err != nil {
		e.fail(s, &Error{Peer: s.name, Stage: StageInit, Reason: err.Error()}, now)
	}
}

// proveResumed is the initiator's proof in a resumed session (RFC 5723, Section
// 4.3.3).
func (s *session) proveResumed(in crypt.AuthInput) (*message.Auth, error) {
	data, err := s.cur.keys.ResumeAuth(s.initiator, in)
	return &message.Auth{Method: message.AuthPSK, Data: data}, err
}

// verifyResumed checks the proof of the other side.
func (s *session) verifyResumed(auth *message.Auth, in crypt.AuthInput) error {
	if auth.Method != message.AuthPSK || s.cur.keys.VerifyResume(!s.initiator, auth.Data, in) != nil {
		return errors.New("it does not know the keys of the session that was to be resumed")
	}
	return nil
}

// settleProof notes what the authentication of s, which is over, relies on. A ticket
// that it was resumed with is used.
func (e *Engine) settleProof(s *session, now time.Time) {
	if t := s.half.ticket; t != nil {
		s.resumed(t)
		t.wipe()
	} else {
		e.proven(s, s.auth, now)
		s.resumption.spare.wipe()
	}
	s.resumption.spare = nil
}
