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
	choice Choice
	prf    PRF
	d      Secret
	ai, ar Secret // empty with an AEAD
	ei, er Secret
	pi, pr Secret
	wiped  bool
}

func (m *material) secrets() []Secret { return []Secret{m.d, m.ai, m.ar, m.ei, m.er, m.pi, m.pr} }

// A KeyInput is what SKEYSEED and the SK_* of an IKE SA are computed from.
type KeyInput struct {
	Ni, Nr     []byte
	SPIi, SPIr message.SPI // of the new IKE SA
	Shared     Secret      // g^ir
	More       []Secret    // of additional key exchanges that follow CREATE_CHILD_SA
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
// Section 2.18; RFC 9370, Section 2.2.4): the seed comes from the old prf, all
// else from the new.
func (k Keys) Rekey(c Choice, in KeyInput) (Keys, error) {
	if err := k.usable(); err != nil {
		return Keys{}, err
	}
	prf, err := NewPRF(c.PRF)
	if err != nil {
		return Keys{}, err
	}
	data := [][]byte{in.Shared, in.Ni, in.Nr}
	for _, s := range in.More {
		data = append(data, s)
	}
	seed := k.m().prf.Sum(k.m().d, data...)
	defer seed.Wipe()
	return expand(c, prf, seed, in)
}

// Intermediate computes the keys of the same IKE SA after an additional key
// exchange, of which Shared is the secret; all else of in is that of IKE_SA_INIT
// (RFC 9370, Section 2.2.2).
func (k Keys) Intermediate(in KeyInput) (Keys, error) { return k.Rekey(k.Choice(), in) }

// expand cuts the SK_* from prf+(SKEYSEED, Ni | Nr | SPIi | SPIr).
func expand(c Choice, prf PRF, seed Secret, in KeyInput) (Keys, error) {
	if min(len(in.Ni), len(in.Nr)) < prf.minNonce() {
		return Keys{}, fmt.Errorf("%w: %d and %d octets for %v", ErrNonce, len(in.Ni), len(in.Nr), c.PRF)
	}
	e, a, err := c.keySizes()
	if err != nil {
		return Keys{}, err
	}
	p := prf.Size()
	var spis [2 * message.SPILen]byte
	binary.BigEndian.PutUint64(spis[:], uint64(in.SPIi))
	binary.BigEndian.PutUint64(spis[message.SPILen:], uint64(in.SPIr))
	all, err := prf.Plus(seed, 3*p+2*a+2*e, in.Ni, in.Nr, spis[:])
	if err != nil {
		return Keys{}, err
	}
	m := &material{choice: c, prf: prf}
	m.d, all = cut(all, p)
	m.ai, all = cut(all, a)
	m.ar, all = cut(all, a)
	m.ei, all = cut(all, e)
	m.er, all = cut(all, e)
	m.pi, all = cut(all, p)
	m.pr, _ = cut(all, p)
	return newKeys(m), nil
}

// keySizes are the lengths of SK_e* and SK_a*, and of a child SA's two keys.
func (c Choice) keySizes() (encr, integ int, err error) {
	if encr = c.Encr.KeyMat(); encr == 0 || c.Encr.AEAD() != (c.Integ == message.IntegNone) {
		return 0, 0, fmt.Errorf("%w: %v with %v", ErrUnknown, c.Encr, c.Integ)
	}
	integ, err = integKey(c.Integ)
	return encr, integ, err
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
	for _, s := range k.m().secrets() {
		s.Wipe()
	}
	k.m().wiped = true
}

// ChildKeys are the key material of one pair of child SAs: what the initiator
// of the exchange sends with, and what its responder sends with. Each is the
// encryption key and then the salt of an AEAD, or the integrity key.
type ChildKeys struct{ Initiator, Responder Secret }

// Wipe overwrites both.
func (c ChildKeys) Wipe() {
	c.Initiator.Wipe()
	c.Responder.Wipe()
}

// Child computes the keys of a pair of child SAs (RFC 7296, Section 2.17; RFC
// 9370, Section 2.2.4). Shared is the secret of the exchange's own key exchange,
// nil if it had none, and more are those of the additional ones after it.
func (k Keys) Child(c Choice, ni, nr []byte, shared Secret, more ...Secret) (ChildKeys, error) {
	if err := k.usable(); err != nil {
		return ChildKeys{}, err
	}
	encr, integ, err := c.keySizes()
	if err != nil {
		return ChildKeys{}, err
	}
	seed := [][]byte{shared, ni, nr}
	for _, s := range more {
		seed = append(seed, s)
	}
	n := encr + integ
	all, err := k.m().prf.Plus(k.m().d, 2*n, seed...)
	if err != nil {
		return ChildKeys{}, err
	}
	i, r := cut(all, n)
	return ChildKeys{Initiator: i, Responder: r}, nil
}
