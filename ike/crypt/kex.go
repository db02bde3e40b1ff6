package crypt

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"warren/ike/message"
)

// How a peer's public value can be bad. ErrKELength is answered with
// INVALID_SYNTAX; ErrKEValue looks the same to the peer (RFC 6989, Section 2.5).
var (
	ErrKELength = errors.New("ike/crypt: public value has the wrong length")
	ErrKEValue  = errors.New("ike/crypt: public value is not in the group")
)

// A KeyExchange is the initiator's side of one key exchange. It is used once.
type KeyExchange interface {
	// Group names the method.
	Group() message.DHGroup
	// Public is the value to send in KE.
	Public() []byte
	// Finish computes the shared secret from the peer's KE.
	Finish(peer []byte) (Secret, error)
	// Wipe forgets the private value as far as the implementation lets it.
	Wipe()
}

// NewKeyExchange makes a fresh private value, from crypto/rand if random is nil.
func NewKeyExchange(g message.DHGroup, random io.Reader) (KeyExchange, error) {
	if random == nil {
		random = rand.Reader
	}
	if c, ok := curveOf(g); ok {
		return newECDH(c, random)
	}
	if p, ok := modpOf(g); ok {
		return newMODP(p, random)
	}
	if k, ok := kemOf(g); ok {
		return newKEM(k, random)
	}
	return nil, fmt.Errorf("%w: %v", ErrUnknown, g)
}

// Respond is the responder's side, in one step as a KEM needs it: the value to
// send and the shared secret, from the initiator's KE.
func Respond(g message.DHGroup, random io.Reader, peer []byte) (public []byte, shared Secret, err error) {
	if k, ok := kemOf(g); ok {
		return k.respond(peer)
	}
	k, err := NewKeyExchange(g, random)
	if err != nil {
		return nil, nil, err
	}
	defer k.Wipe()
	if shared, err = k.Finish(peer); err != nil {
		return nil, nil, err
	}
	return k.Public(), shared, nil
}

// KnownDH reports whether key exchange g is implemented.
func KnownDH(g message.DHGroup) bool {
	_, curve := curveOf(g)
	_, modp := modpOf(g)
	_, kem := kemOf(g)
	return curve || modp || kem
}
