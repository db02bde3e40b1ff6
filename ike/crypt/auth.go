package crypt

import (
	"crypto/hmac"
	"errors"
	"slices"
)

// An AuthInput is what one side proves, and to whom (RFC 7296, Section 2.15; RFC
// 9242, Section 3.3.2).
type AuthInput struct {
	Message []byte // its own IKE_SA_INIT message as sent, the last one if it was repeated
	Nonce   []byte // the other side's
	ID      []byte // its own ID payload's Body
	IntAuth []byte // of both sides, and the message id of IKE_AUTH; nil without IKE_INTERMEDIATE
}

// ErrVerify means that an AUTH payload does not prove what it should.
var ErrVerify = errors.New("ike/crypt: authentication failed")

// ErrNoPSK means that a pre-shared key is empty, which proves nothing.
var ErrNoPSK = errors.New("ike/crypt: pre-shared key is empty")

const keyPad = "Key Pad for IKEv2"

// SignedOctets is what the initiator, or else the responder, signs or MACs. It
// is nil if there are no keys.
func (k Keys) SignedOctets(initiator bool, in AuthInput) []byte {
	if k.usable() != nil {
		return nil
	}
	p := k.m().pr
	if initiator {
		p = k.m().pi
	}
	return slices.Concat(in.Message, in.Nonce, k.m().prf.Sum(p, in.ID), in.IntAuth)
}

// PSKAuth computes the data of the initiator's, or else the responder's, AUTH
// payload for method AuthPSK.
func (k Keys) PSKAuth(initiator bool, psk []byte, in AuthInput) ([]byte, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	if len(psk) == 0 {
		return nil, ErrNoPSK
	}
	key := k.m().prf.Sum(psk, []byte(keyPad))
	defer key.Wipe()
	return k.m().prf.Sum(key, k.SignedOctets(initiator, in)), nil
}

// VerifyPSK checks the data of the AUTH payload that the initiator, or else the
// responder, sent. Only nil means that it is right.
func (k Keys) VerifyPSK(initiator bool, psk, auth []byte, in AuthInput) error {
	want, err := k.PSKAuth(initiator, psk, in)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, auth) {
		return ErrVerify
	}
	return nil
}
