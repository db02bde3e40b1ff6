package crypt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"warren/ike/message"
)

// ErrNonce means that a nonce is shorter than half the key of the prf (RFC 7296,
// Section 2.10).
var ErrNonce = errors.New("ike/crypt: nonce is too short for the prf")

// Keys are the SK_* of one IKE SA. However a Keys is printed, logged or
// marshalled, its bytes do not show. Copies share the key material. The zero
// Keys has none and derives nothing.
type Keys struct {
	redacted
	// Two pointers deep, because package fmt looks through one, and does so past
	// all methods when it finds a Keys in an unexported field.
	p **material
}

func newKeys(m *material) Keys { return Keys{p: &m} }

// m is nil in the zero Keys.
func (k Keys) m() *material {
	if k.p == nil {
		return nil
	}
	return *k.p
}

type material struct {
	choice    Choice
	prf       PRF
	d, ei, er Secret
	pi, pr    Secret
	wiped     bool
}

// A KeyInput is what SKEYSEED and the SK_* of an IKE SA are computed from.
type KeyInput struct {
	Ni, Nr     []byte
	SPIi, SPIr message.SPI // of the new IKE SA
	Shared     Secret      // g^ir
}

// DeriveKeys computes the keys of an initial IKE SA (RFC 7296, Section 2.14).
func DeriveKeys(c Choice, in KeyInput) (Keys, error) {
	prf, err := NewPRF(c.PRF)
	if err != nil {
		return Keys{}, err
	}
	seed := prf.Sum(concat(in.Ni, in.Nr), in.Shared)
	defer seed.Wipe()
	return expand(c, prf, seed, in)
}

// Rekey computes the keys of the IKE SA that replaces the one of k (RFC 7296,
// Section 2.18): the seed comes from the old prf, all else from the new.
func (k Keys) Rekey(c Choice, in KeyInput) (Keys, error) {
	if err := k.usable(); err != nil {
		return Keys{}, err
	}
	prf, err := NewPRF(c.PRF)
	if err != nil {
		return Keys{}, err
	}
	seed := k.m().prf.Sum(k.m().d, in.Shared, in.Ni, in.Nr)
	defer seed.Wipe()
	return expand(c, prf, seed, in)
}

// expand cuts the SK_* from prf+(SKEYSEED, Ni | Nr | SPIi | SPIr). SK_ai and
// SK_ar are empty with an AEAD (RFC 5282, Section 7.1).
func expand(c Choice, prf PRF, seed Secret, in KeyInput) (Keys, error) {
	if min(len(in.Ni), len(in.Nr)) < max(message.MinNonce, prf.Size()/2) {
		return Keys{}, fmt.Errorf("%w: %d and %d octets for %v", ErrNonce, len(in.Ni), len(in.Nr), c.PRF)
	}
	e, p := c.Encr.KeyMat(), prf.Size()
	if e == 0 {
		return Keys{}, fmt.Errorf("%w: %v", ErrUnknown, c.Encr)
	}
	var spis [2 * message.SPILen]byte
	binary.BigEndian.PutUint64(spis[:], uint64(in.SPIi))
	binary.BigEndian.PutUint64(spis[message.SPILen:], uint64(in.SPIr))
	all, err := prf.Plus(seed, 3*p+2*e, in.Ni, in.Nr, spis[:])
	if err != nil {
		return Keys{}, err
	}
	m := &material{choice: c, prf: prf}
	m.d, all = cut(all, p)
	m.ei, all = cut(all, e)
	m.er, all = cut(all, e)
	m.pi, all = cut(all, p)
	m.pr, _ = cut(all, p)
	return newKeys(m), nil
}

func cut(s Secret, n int) (Secret, Secret) { return s[:n:n], s[n:] }

func concat(a, b []byte) []byte {
	return append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
}

// ErrNoKeys means that keys are used that were never derived or are wiped.
var ErrNoKeys = errors.New("ike/crypt: no keys")

func (k Keys) usable() error {
	if k.m() == nil || k.m().wiped {
		return ErrNoKeys
	}
	return nil
}

// Choice returns the algorithms that the keys are for.
func (k Keys) Choice() Choice {
	if k.m() == nil {
		return Choice{}
	}
	return k.m().choice
}

// Wipe overwrites the keys, in every copy of k. They cannot be used again.
func (k Keys) Wipe() {
	if k.m() == nil {
		return
	}
	for _, s := range []Secret{k.m().d, k.m().ei, k.m().er, k.m().pi, k.m().pr} {
		s.Wipe()
	}
	k.m().wiped = true
}

// ChildKeys are the key material of one pair of child SAs: what the initiator
// of the exchange sends with, and what its responder sends with. A salt is at
// the end.
type ChildKeys struct{ Initiator, Responder Secret }

// Wipe overwrites both.
func (c ChildKeys) Wipe() {
	c.Initiator.Wipe()
	c.Responder.Wipe()
}

// Child computes the keys of a pair of child SAs (RFC 7296, Section 2.17).
// Shared is the secret of the exchange's own key exchange, nil if it had none.
func (k Keys) Child(c Choice, ni, nr []byte, shared Secret) (ChildKeys, error) {
	if err := k.usable(); err != nil {
		return ChildKeys{}, err
	}
	n := c.Encr.KeyMat()
	if n == 0 {
		return ChildKeys{}, fmt.Errorf("%w: %v", ErrUnknown, c.Encr)
	}
	all, err := k.m().prf.Plus(k.m().d, 2*n, shared, ni, nr)
	if err != nil {
		return ChildKeys{}, err
	}
	i, r := cut(all, n)
	return ChildKeys{Initiator: i, Responder: r}, nil
}
