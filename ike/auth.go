package ike

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/eap"
	"warren/ike/message"
	"warren/ike/sign"
	"warren/ike/trust"
)

// credentials say how the two sides of a session prove who they are, each in its
// own way (RFC 7296, Section 2.15).
type credentials struct {
	cert  *trust.Credential // this node's; nil means psk
	trust *trust.Store      // for the peer's certificate; nil means psk
	psk   []byte            // nil where neither side uses one
	eap   *eap.Account      // this node's instead, as initiator; nil without
	by    eap.Type          // psk is the key that this method of EAP has brought; 0 where none has
	ppk   PPK
}

// byEAP are the credentials of both sides once EAP has succeeded (RFC 7296, Section
// 2.16).
func byEAP(by eap.Type, msk crypt.Secret, ppk PPK) *credentials {
	return &credentials{psk: slices.Clone(msk), by: by, ppk: ppk}
}

// prove signs in, which describes this node's side, with k. The payloads of the
// certificate come with it.
func (c *credentials) prove(e *Engine, s *session, k crypt.Keys, in crypt.AuthInput) ([]message.Payload, *message.Auth, error) {
	if c.cert == nil {
		data, err := k.PSKAuth(s.initiator, c.psk, in)
		if c.by == 0 {
			s.proofs.own = byPSK
		} else if s.initiator { // the responder has proven itself before
			s.proofs.own = c.by.String()
		}
		return nil, &message.Auth{Method: message.AuthPSK, Data: data}, err
	}
	octets := k.SignedOctets(s.initiator, in)
	if octets == nil {
		return nil, nil, crypt.ErrNoKeys
	}
	auth, err := c.cert.Sign(e.opt.Rand, s.half.peer.hashes, octets)
	s.lasts(c.cert.Ends())
	s.proofs.own = byCertificate(auth)
	return c.cert.Payloads(), auth, err
}

// verify checks the peer's proof of in, which describes its side under id. Every
// error means that the peer is not who it says, save a *crlWait: that it is, if
// its certificate was not revoked.
func (c *credentials) verify(e *Engine, s *session, p peerProof, now time.Time) error {
	if c.trust != nil {
		return c.verifyCert(e, s, p, now)
	}
	if p.auth.Method != message.AuthPSK {
		return fmt.Errorf("it authenticates with %v, a pre-shared key is wanted", p.auth.Method)
	}
	if err := p.keys.VerifyPSK(!s.initiator, c.psk, p.auth.Data, p.in); err != nil {
		if c.by != 0 {
			return errors.New("it has not got the key of this EAP")
		}
		return errors.New("the pre-shared keys differ")
	}
	if c.by == 0 {
		s.proofs.peers, s.proofs.cert, s.proofs.sent = byPSK, nil, nil
	} else if !s.initiator {
		s.proofs.peers, s.proofs.cert, s.proofs.sent = c.by.String(), nil, nil
	}
	return nil
}

// A peerProof is what a peer says to be, and the proof of it.
type peerProof struct {
	id    *message.ID
	auth  *message.Auth
	certs [][]byte // its X.509 certificates, its own one first
	other string   // what else it sent as a certificate
	keys  crypt.Keys
	in    crypt.AuthInput
}

// verifyCert goes from what costs nobody else anything to what does: the path and
// the identity, the signature, and only then the revocation lists, for which a
// connection may be opened (CVE-2022-40617).
func (c *credentials) verifyCert(e *Engine, s *session, p peerProof, now time.Time) error {
	if p.auth.Method == message.AuthPSK {
		return errors.New("it authenticates with a pre-shared key, a certificate is wanted")
	}
	if len(p.certs) == 0 && p.other != "" {
		return fmt.Errorf("it sent %s, which is not supported; X.509 certificates are", p.other)
	}
	peer, err := c.trust.Verify(p.certs, p.id, now)
	if err != nil {
		return err
	}
	octets := p.keys.SignedOctets(!s.initiator, p.in)
	if octets == nil {
		return crypt.ErrNoKeys
	}
	if err := sign.Verify(peer.Key(), p.auth, octets); err != nil {
		return err
	}
	if err := e.unrevoked(s, c.trust, peer, now); err != nil {
		return err
	}
	s.lasts(peer.Ends())
	s.proofs.peers, s.proofs.cert, s.proofs.sent = byCertificate(p.auth), peer.Certificate(), cloned(p.certs)
	s.resumption.proof.certs = s.proofs.sent
	return nil
}

// unrevoked checks that the certificate of peer was not revoked, or says by a
// *crlWait what it must know for that.
func (e *Engine) unrevoked(s *session, store *trust.Store, peer *trust.Peer, now time.Time) error {
	wants, err := store.Check(peer, now)
	if err != nil {
		return err
	}
	if len(wants.Later) > 0 {
		e.emit(CRLWanted{Session: s.id, Trust: store, URLs: wants.Later})
	}
	if len(wants.Now) > 0 {
		return &crlWait{store: store, urls: wants.Now}
	}
	return nil
}

// wipe forgets the pre-shared keys.
func (c *credentials) wipe() {
	clear(c.psk)
	c.ppk.Secret.Wipe()
}

// initiatorInput is what the initiator signs, under id.
func (h *halfState) initiatorInput(id *message.ID) crypt.AuthInput {
	return crypt.AuthInput{Message: h.initMsg, Nonce: h.nr, ID: id.Body(), IntAuth: h.intAuth()}
}

// responderInput is what the responder signs, under id.
func (h *halfState) responderInput(id *message.ID) crypt.AuthInput {
	return crypt.AuthInput{Message: h.respMsg, Nonce: h.ni, ID: id.Body(), IntAuth: h.intAuth()}
}

// refused words why the responder may have refused this node's proof.
func (c *credentials) refused(s *session) string {
	switch {
	case s.support.ppk:
		return fmt.Sprintf("%v refuses %v with the PPK %q: it does not know that, or this id, or has other keys", s.remoteID, s.localID, c.ppk.ID)
	case c.eap != nil:
		return fmt.Sprintf("%v refuses %v: it does not let this id in by EAP", s.remoteID, s.localID)
	case c.by != 0:
		return fmt.Sprintf("%v refuses %v after EAP: it has not got the same key", s.remoteID, s.localID)
	case c.cert == nil:
		return fmt.Sprintf("%v refuses %v: it knows another pre-shared key, or not this id", s.remoteID, s.localID)
	case c.cert.Unwanted(s.half.peer.asked, c.trust):
		return fmt.Sprintf("%v refuses %v: it trusts other authorities than that of the certificate of %s",
			s.remoteID, s.localID, trust.Describe(c.cert.Leaf()))
	}
	return fmt.Sprintf("%v refuses %v with the certificate of %s: it does not trust that, or does not know this id",
		s.remoteID, s.localID, trust.Describe(c.cert.Leaf()))
}
