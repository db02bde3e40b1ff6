package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"warren/ike/message"
)

// ErrUnknown means that an algorithm is not implemented here.
var ErrUnknown = errors.New("ike/crypt: algorithm is not implemented")

// An Encr is an encryption algorithm with its key length in bits, which is 0
// where the algorithm has only one and so sends no attribute.
type Encr struct {
	ID     message.EncrID
	KeyLen uint16
}

// All AEADs here have a salt of 4 octets in their key material, an explicit IV
// of 8 and an ICV of 16 (RFC 5282, Section 4; RFC 7634, Section 2).
const (
	saltLen = 4
	ivLen   = 8
	icvLen  = 16
)

func (e Encr) String() string {
	if e.KeyLen == 0 {
		return e.ID.String()
	}
	return fmt.Sprintf("%v_%d", e.ID, e.KeyLen)
}

// Known reports whether e is implemented with this very key length.
func (e Encr) Known() bool { return e.keyLen() != 0 }

// keyLen is the key length in octets without the salt, 0 for what is unknown.
func (e Encr) keyLen() int {
	switch e {
	case Encr{message.EncrAESGCM16, 128}, Encr{message.EncrAESGCM16, 192}, Encr{message.EncrAESGCM16, 256}:
		return int(e.KeyLen) / 8
	case Encr{message.EncrChaCha20Poly1305, 0}:
		return chacha20poly1305.KeySize
	}
	return 0
}

// KeyMat is how many octets of key material e takes, salt included: the length
// of SK_ei and of a child SA's key.
func (e Encr) KeyMat() int {
	if n := e.keyLen(); n != 0 {
		return n + saltLen
	}
	return 0
}

// aead makes the cipher for key material that ends with the salt.
func (e Encr) aead(keymat []byte) (a cipher.AEAD, salt []byte, err error) {
	n := e.keyLen()
	if n == 0 {
		return nil, nil, fmt.Errorf("%w: %v", ErrUnknown, e)
	}
	if len(keymat) != n+saltLen {
		return nil, nil, fmt.Errorf("ike/crypt: %v wants %d octets of key material, not %d", e, n+saltLen, len(keymat))
	}
	key, salt := keymat[:n], keymat[n:]
	if e.ID == message.EncrChaCha20Poly1305 {
		a, err = chacha20poly1305.New(key)
		return a, salt, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("ike/crypt: %w", err)
	}
	a, err = cipher.NewGCM(block)
	return a, salt, err
}
