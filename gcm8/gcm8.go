// Package gcm8 is AES-GCM with a tag of 8 octets (NIST SP 800-38D, Appendix C),
// which RFC 4106 and RFC 5282 have and package crypto/cipher does not make.
//
// It is made of crypto/cipher's GCM with the full tag. That one opens nothing
// without all of its tag, but as sealing is an XOR with a key stream, sealing the
// ciphertext yields the plaintext, and sealing that the tag to compare. So Open
// costs twice what Seal does: who cares for speed takes a tag of 16 octets.
package gcm8

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"sync"
)

// TagSize is the length of the tag.
const TagSize = 8

// ErrOpen means that a message is not authentic.
var ErrOpen = errors.New("gcm8: message authentication failed")

// New returns the AEAD of block, a cipher with blocks of 16 octets. Like those of
// crypto/cipher it may be used by several goroutines at a time.
func New(block cipher.Block) (cipher.AEAD, error) {
	full, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &gcm{full: full}, nil
}

type gcm struct {
	full    cipher.AEAD
	scratch sync.Pool // of *[]byte
}

func (g *gcm) NonceSize() int { return g.full.NonceSize() }
func (g *gcm) Overhead() int  { return TagSize }

func (g *gcm) buffer() *[]byte {
	if b, ok := g.scratch.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// Seal implements cipher.AEAD.
func (g *gcm) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	b := g.buffer()
	defer g.scratch.Put(b)
	*b = g.full.Seal((*b)[:0], nonce, plaintext, additionalData)
	return append(dst, (*b)[:len(plaintext)+TagSize]...)
}

// Open implements cipher.AEAD.
func (g *gcm) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	n := len(ciphertext) - TagSize
	if n < 0 {
		return nil, ErrOpen
	}
	plain, again := g.buffer(), g.buffer()
	defer g.scratch.Put(plain)
	defer g.scratch.Put(again)
	*plain = g.full.Seal((*plain)[:0], nonce, ciphertext[:n], nil)
	*again = g.full.Seal((*again)[:0], nonce, (*plain)[:n], additionalData)
	defer clear((*plain)[:n])
	if subtle.ConstantTimeCompare((*again)[n:n+TagSize], ciphertext[n:]) != 1 {
		return nil, ErrOpen
	}
	return append(dst, (*plain)[:n]...), nil
}
