package ike

import (
	"errors"

	"warren/ike/crypt"
	"warren/ike/message"
)

// An authenticator proves this node's identity and checks the peer's. There is
// one kind, the pre-shared key; certificates and EAP fit beside it.
type authenticator interface {
	// prove signs in, which describes this node's side.
	prove(k crypt.Keys, initiator bool, in crypt.AuthInput) (*message.Auth, error)
	// verify checks the peer's proof of in, which describes its side. Every
	// error means that the peer is not who it says.
	verify(k crypt.Keys, initiator bool, a *message.Auth, in crypt.AuthInput) error
	// wipe forgets the secret.
	wipe()
}

// psk authenticates with a pre-shared key (RFC 7296, Section 2.15).
type psk []byte

func (p psk) prove(k crypt.Keys, initiator bool, in crypt.AuthInput) (*message.Auth, error) {
	data, err := k.PSKAuth(initiator, p, in)
	if err != nil {
		return nil, err
	}
	return &message.Auth{Method: message.AuthPSK, Data: data}, nil
}

func (p psk) verify(k crypt.Keys, initiator bool, a *message.Auth, in crypt.AuthInput) error {
	if a.Method != message.AuthPSK {
		return errors.New("it authenticates with " + a.Method.String() + ", a pre-shared key is wanted")
	}
	if err := k.VerifyPSK(initiator, p, a.Data, in); err != nil {
		return errors.New("the pre-shared keys differ")
	}
	return nil
}

func (p psk) wipe() { clear(p) }

// initiatorInput is what the initiator signs, under id.
func (h *halfState) initiatorInput(id *message.ID) crypt.AuthInput {
	return crypt.AuthInput{Message: h.initMsg, Nonce: h.nr, ID: id.Body(), IntAuth: h.intAuth()}
}

// responderInput is what the responder signs, under id.
func (h *halfState) responderInput(id *message.ID) crypt.AuthInput {
	return crypt.AuthInput{Message: h.respMsg, Nonce: h.ni, ID: id.Body(), IntAuth: h.intAuth()}
}
