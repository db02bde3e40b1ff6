package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"warren/gcm8"
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

// The AEADs here have a salt of 4 octets in their key material and an explicit
// IV of 8 (RFC 5282, Section 4; RFC 7634, Section 2).
const (
	saltLen = 4
	ivLen   = 8
)

func (e Encr) String() string {
	if e.KeyLen == 0 {
		return e.ID.String()
	}
	return fmt.Sprintf("%v_%d", e.ID, e.KeyLen)
}

// Known reports whether e is implemented with this very key length.
func (e Encr) Known() bool { return e.keyLen() != 0 }

// AEAD reports whether e needs no integrity algorithm beside it.
func (e Encr) AEAD() bool { return e.ID != message.EncrAESCBC }

// keyLen is the length of the key proper in octets, 0 for what is unknown.
func (e Encr) keyLen() int {
	switch e.ID {
	case message.EncrAESGCM16, message.EncrAESGCM12, message.EncrAESGCM8, message.EncrAESCBC:
		if e.KeyLen == 128 || e.KeyLen == 192 || e.KeyLen == 256 {
			return int(e.KeyLen) / 8
		}
	case message.EncrChaCha20Poly1305:
		if e.KeyLen == 0 {
			return chacha20poly1305.KeySize
		}
	}
	return 0
}

// KeyMat is how many octets of key material e takes, with the salt of an AEAD:
// the length of SK_ei, and of a child SA's encryption key.
func (e Encr) KeyMat() int {
	if n := e.keyLen(); n != 0 && e.AEAD() {
		return n + saltLen
	}
	return e.keyLen()
}

// aead makes the cipher for key material that ends with the salt.
func (e Encr) aead(keymat []byte) (a cipher.AEAD, salt []byte, err error) {
	key, salt := keymat[:e.keyLen()], keymat[e.keyLen():]
	if e.ID == message.EncrChaCha20Poly1305 {
		a, err = chacha20poly1305.New(key)
		return a, salt, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("ike/crypt: %w", err)
	}
	switch e.ID {
	case message.EncrAESGCM16:
		a, err = cipher.NewGCM(block)
	case message.EncrAESGCM12:
		a, err = cipher.NewGCMWithTagSize(block, 12)
	default:
		a, err = gcm8.New(block)
	}
	return a, salt, err
}
