package ike

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// A PPK is a post-quantum pre-shared key (RFC 8784): a secret of at least 256 bits
// that both ends know by its identifier. With it in the keys, who breaks the key
// exchange later has nothing.
//
// The first IKE SA is protected by the key exchange alone, so it is rekeyed at once
// (RFC 8784, Section 6): by its initiator, and if he does not, soon by its
// responder. What IKE_AUTH says, such as identities and leases, stays readable to
// who breaks the key exchange.
type PPK struct {
	ID       string
	Secret   crypt.Secret
	Required bool // nothing is made without it
}

func (p PPK) given() bool { return p.ID != "" }

func (p PPK) clone() PPK {
	p.Secret = slices.Clone(p.Secret)
	return p
}

// ppkFixed is the PPK_ID type of identifiers that are known beforehand (RFC 8784,
// Section 5.1).
const ppkFixed = 2

// identity is the notify that names p.
func (p PPK) identity() message.Payload {
	return &message.Notify{Kind: message.PPKIdentity, Data: append([]byte{ppkFixed}, p.ID...)}
}

// hasPPK reports whether some peer that comes to local may use a PPK.
func (e *Engine) hasPPK(local netip.Addr) bool {
	return slices.ContainsFunc(e.opt.Accept, func(a AcceptConfig) bool { return a.PPK != nil && a.serves(local) })
}

// agreePPK notes whether both ends use PPKs, and refuses an answer without them
// where they must be used. Nobody has authenticated that answer, so a better one is
// waited for (RFC 8784, Section 6).
func (c *candidate) agreePPK(own PPK) error {
	c.support.ppk = c.support.ppk && own.given()
	if own.Required && !c.support.ppk {
		return unfit(fmt.Sprintf("the peer does not use PPKs (no USE_PPK), and PPK %q is required: give the peer one, or set required: false here", own.ID))
	}
	return nil
}

// provePPK is the initiator's proof of in: with the PPK if both ends use PPKs, and
// without it too if there is a choice (RFC 8784, Section 3). The payloads of the
// certificate are apart.
func (c *credentials) provePPK(e *Engine, s *session, in crypt.AuthInput) (certs, proof []message.Payload, err error) {
	if s.half.ticket != nil {
		auth, err := s.proveResumed(in)
		return nil, []message.Payload{auth}, err
	}
	keys := s.cur.keys
	if s.support.ppk {
		if keys, err = keys.WithPPK(c.ppk.Secret); err != nil {
			return nil, nil, err
		}
		s.half.mixed = keys
	}
	certs, auth, err := c.prove(e, s, keys, in)
	if err != nil || !s.support.ppk {
		return certs, []message.Payload{auth}, err
	}
	proof = []message.Payload{auth, c.ppk.identity()}
	if c.ppk.Required {
		return certs, proof, nil
	}
	_, plain, err := c.prove(e, s, s.cur.keys, in)
	if err != nil {
		return nil, nil, err
	}
	return certs, append(proof, &message.Notify{Kind: message.NoPPKAuth, Data: plain.Data}), nil
}

// answeredWith are the keys that prove the responder, who says by PPK_IDENTITY
// whether he has used the PPK.
func (s *session) answeredWith(ps []message.Payload) (crypt.Keys, error) {
	switch used := message.GetNotify(ps, message.PPKIdentity) != nil; {
	case s.auth.eap != nil: // the PPK comes with the last AUTH (RFC 8784, Section 3)
		return s.cur.keys, nil
	case s.support.ppk && used:
		return s.half.mixed, nil
	case s.auth.ppk.Required:
		return crypt.Keys{}, fmt.Errorf("it does not use the PPK %q, which is required", s.auth.ppk.ID)
	}
	return s.cur.keys, nil
}

// verify checks the proof of a peer that a is for, and notes in c the PPK that is
// to be used (RFC 8784, Section 3, Table 1).
func (a *AcceptConfig) verify(e *Engine, s *session, c *credentials, ps []message.Payload, p peerProof, now time.Time) error {
	p.keys = s.cur.keys
	id := message.GetNotify(ps, message.PPKIdentity)
	switch {
	case !s.support.ppk && a.PPKRequired:
		return errors.New("it does not use a PPK, which is required")
	case !s.support.ppk:
		return c.verify(e, s, p, now)
	case id == nil:
		return errors.New("it names no PPK")
	case a.findPPK(c, id.Data):
		var err error
		if p.keys, err = s.cur.keys.WithPPK(c.ppk.Secret); err != nil {
			return err
		}
		s.half.mixed.Wipe()
		s.half.mixed = p.keys
		return c.verify(e, s, p, now)
	}
	plain := message.GetNotify(ps, message.NoPPKAuth)
	if plain == nil || a.PPKRequired {
		return errors.New("its PPK is not known here, and one is required")
	}
	p.auth = &message.Auth{Method: p.auth.Method, Data: plain.Data}
	return c.verify(e, s, p, now)
}

// findPPK puts the PPK that the peer names into c, if there is one.
func (a *AcceptConfig) findPPK(c *credentials, data []byte) bool {
	if a.PPK == nil || len(data) < 2 || data[0] != ppkFixed {
		return false
	}
	id := string(data[1:])
	secret, ok := a.PPK(id)
	if !ok || len(secret) == 0 {
		return false
	}
	c.ppk = PPK{ID: id, Secret: slices.Clone(secret), Required: a.PPKRequired}
	return true
}

// settlePPK puts the PPK into the keys of an authenticated session if it is used.
func (e *Engine) settlePPK(s *session, used bool) error {
	if s.half.ticket != nil {
		return nil // it is in the keys, or is not: see resumed
	}
	if s.support.ppk && used {
		s.mixed = true
		return s.cur.keys.Adopt(s.half.mixed)
	}
	s.half.mixed.Wipe()
	if s.support.ppk || s.auth != nil && s.auth.ppk.given() { // RFC 8784, Section 6
		e.opt.Log.Warn("ike: no PPK is used, though there is one", "session", s.label(), "remote", s.remoteID.String())
	}
	return nil
}

// ppkAnswer is what a responder says where the PPK is used.
func (s *session) ppkAnswer() []message.Payload {
	if !s.mixed {
		return nil
	}
	return []message.Payload{&message.Notify{Kind: message.PPKIdentity}}
}

// leaveFirst sets the time to replace the first IKE SA of s, which the PPK does
// not protect.
func (e *Engine) leaveFirst(s *session, now time.Time) {
	s.cur.rekeyAt = now
	if !s.initiator {
		s.cur.rekeyAt = e.retryTime(now)
	}
}
