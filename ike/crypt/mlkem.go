package crypt

import (
	"crypto/mlkem"
	"fmt"
	"io"

	"warren/ike/message"
)

// A kem says what one parameter set of ML-KEM (FIPS 203) puts on the wire: the
// initiator's KE is the encapsulation key, the responder's the ciphertext
// (draft-ietf-ipsecme-ikev2-mlkem, Section 2.2).
type kem struct {
	method     message.DHGroup
	publics    int // octets of an encapsulation key
	ciphertext int
	generate   func(seed []byte) (decapsulator, error)
	encaps     func(public []byte) (shared, ciphertext []byte, err error)
}

// A decapsulator is a private key of crypto/mlkem.
type decapsulator interface {
	Decapsulate(ciphertext []byte) (shared []byte, err error)
}

func kemOf(g message.DHGroup) (kem, bool) {
	switch g {
	case message.MLKEM768:
		return kem{g, mlkem.EncapsulationKeySize768, mlkem.CiphertextSize768, generate768, encaps768}, true
	case message.MLKEM1024:
		return kem{g, mlkem.EncapsulationKeySize1024, mlkem.CiphertextSize1024, generate1024, encaps1024}, true
	}
	return kem{}, false
}

func generate768(seed []byte) (decapsulator, error)  { return mlkem.NewDecapsulationKey768(seed) }
func generate1024(seed []byte) (decapsulator, error) { return mlkem.NewDecapsulationKey1024(seed) }

func encaps768(public []byte) (shared, ciphertext []byte, err error) {
	k, err := mlkem.NewEncapsulationKey768(public)
	if err != nil {
		return nil, nil, err
	}
	shared, ciphertext = k.Encapsulate()
	return shared, ciphertext, nil
}

func encaps1024(public []byte) (shared, ciphertext []byte, err error) {
	k, err := mlkem.NewEncapsulationKey1024(public)
	if err != nil {
		return nil, nil, err
	}
	shared, ciphertext = k.Encapsulate()
	return shared, ciphertext, nil
}

// A kemExchange is the initiator's side of ML-KEM.
type kemExchange struct {
	redacted
	kem kem
	key decapsulator
}

func newKEM(k kem, random io.Reader) (*kemExchange, error) {
	seed := make([]byte, mlkem.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("ike/crypt: %w", err)
	}
	key, err := k.generate(seed)
	if err != nil {
		return nil, fmt.Errorf("ike/crypt: %w", err)
	}
	return &kemExchange{kem: k, key: key}, nil
}

func (x *kemExchange) Group() message.DHGroup { return x.kem.method }

func (x *kemExchange) Public() []byte {
	switch k := x.key.(type) {
	case *mlkem.DecapsulationKey768:
		return k.EncapsulationKey().Bytes()
	case *mlkem.DecapsulationKey1024:
		return k.EncapsulationKey().Bytes()
	}
	return nil
}

// Finish never fails for a ciphertext of the right length: a wrong one yields a
// secret that the peer does not have (FIPS 203, Section 6.3).
func (x *kemExchange) Finish(peer []byte) (Secret, error) {
	if len(peer) != x.kem.ciphertext {
		return nil, fmt.Errorf("%w: ciphertext of %v has %d octets, not %d", ErrKELength, x.kem.method, x.kem.ciphertext, len(peer))
	}
	return x.key.Decapsulate(peer)
}

// Wipe drops the reference: crypto/mlkem has no way to overwrite a key.
func (x *kemExchange) Wipe() { x.key = nil }

// respond encapsulates to the initiator's key, after the checks of FIPS 203,
// Section 7.2 on it. The randomness is crypto/mlkem's own.
func (k kem) respond(peer []byte) (public []byte, shared Secret, err error) {
	if len(peer) != k.publics {
		return nil, nil, fmt.Errorf("%w: key of %v has %d octets, not %d", ErrKELength, k.method, k.publics, len(peer))
	}
	shared, public, err = k.encaps(peer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrKEValue, k.method)
	}
	return public, shared, nil
}
