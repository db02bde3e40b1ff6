package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
)

// A guard protects the messages of one direction: RFC 5282 tells how with an
// AEAD, RFC 7296, Section 3.14 with a cipher and an integrity algorithm.
type guard interface {
	sizes() guardSizes
	// nextIV appends an IV for a new message to b.
	nextIV(b []byte) ([]byte, error)
	// seal appends plain encrypted, and the ICV, to b, whose octets from at on
	// are the IV. Padding and Pad Length are in plain.
	seal(b []byte, at int, plain []byte) []byte
	// open is the reverse for a whole message, whose IV is at at. Its plaintext
	// is new memory.
	open(raw []byte, at int) (plain []byte, ok bool)
}

// guardSizes says what a guard adds: the IV, padding up to a multiple of block,
// and the ICV.
type guardSizes struct{ iv, block, icv int }

// sealed is how long n octets of payloads become, IV and ICV included.
func (s guardSizes) sealed(n int) int { return s.iv + n + s.padding(n) + padLen + s.icv }

// padding is how many octets go between n octets of payloads and Pad Length.
func (s guardSizes) padding(n int) int { return (s.block - (n+padLen)%s.block) % s.block }

// fits is how many octets of payloads become at most max, or less than 1.
func (s guardSizes) fits(max int) int { return (max-s.iv-s.icv)/s.block*s.block - padLen }

// newGuard makes the guard for the SK_ei and SK_ai of c, or the SK_er and SK_ar.
func newGuard(c Choice, encr, integ Secret) (guard, error) {
	if !c.Encr.Known() || len(encr) != c.Encr.KeyMat() {
		return nil, fmt.Errorf("%w: %v with %d octets of key material", ErrUnknown, c.Encr, len(encr))
	}
	if c.Encr.AEAD() {
		a, salt, err := c.Encr.aead(encr)
		if err != nil {
			return nil, err
		}
		return &aeadGuard{aead: a, salt: [saltLen]byte(salt)}, nil
	}
	i, err := integrityOf(c.Integ)
	if err != nil {
		return nil, err
	}
	if len(integ) != i.size {
		return nil, fmt.Errorf("ike/crypt: %v wants a key of %d octets, not %d", c.Integ, i.size, len(integ))
	}
	block, err := aes.NewCipher(encr)
	if err != nil {
		return nil, fmt.Errorf("ike/crypt: %w", err)
	}
	return &cbcGuard{block: block, integ: i, key: integ, random: rand.Reader}, nil
}

// An aeadGuard counts its IVs, so that none comes twice.
type aeadGuard struct {
	aead cipher.AEAD
	salt [saltLen]byte
	iv   uint64
}

func (g *aeadGuard) sizes() guardSizes {
	return guardSizes{iv: ivLen, block: 1, icv: g.aead.Overhead()}
}

func (g *aeadGuard) nextIV(b []byte) ([]byte, error) {
	g.iv++
	return binary.BigEndian.AppendUint64(b, g.iv-1), nil
}

func (g *aeadGuard) nonce(iv []byte) []byte {
	return append(g.salt[:len(g.salt):len(g.salt)], iv...)
}

// seal has everything before the IV as associated data (RFC 5282, Section 5.1).
func (g *aeadGuard) seal(b []byte, at int, plain []byte) []byte {
	return g.aead.Seal(b, g.nonce(b[at:]), plain, b[:at])
}

func (g *aeadGuard) open(raw []byte, at int) ([]byte, bool) {
	from := at + ivLen
	if from > len(raw) {
		return nil, false
	}
	plain, err := g.aead.Open(nil, g.nonce(raw[at:from]), raw[from:], raw[:at])
	return plain, err == nil
}

// A cbcGuard encrypts with AES-CBC under random IVs (RFC 3602, Section 2.1) and
// then authenticates the whole message.
type cbcGuard struct {
	block  cipher.Block
	integ  integrity
	key    Secret
	random io.Reader
}

func (g *cbcGuard) sizes() guardSizes {
	return guardSizes{iv: aes.BlockSize, block: aes.BlockSize, icv: g.integ.icv()}
}

func (g *cbcGuard) nextIV(b []byte) ([]byte, error) {
	b = append(b, make([]byte, aes.BlockSize)...)
	_, err := io.ReadFull(g.random, b[len(b)-aes.BlockSize:])
	return b, err
}

func (g *cbcGuard) seal(b []byte, at int, plain []byte) []byte {
	iv, from := b[at:], len(b)
	b = append(b, plain...)
	cipher.NewCBCEncrypter(g.block, iv).CryptBlocks(b[from:], b[from:])
	return g.integ.mac(b, g.key, b)
}

// open compares the ICV before it decrypts anything, and in constant time.
func (g *cbcGuard) open(raw []byte, at int) ([]byte, bool) {
	from, end := at+aes.BlockSize, len(raw)-g.integ.icv()
	if from > end || (end-from)%aes.BlockSize != 0 {
		return nil, false
	}
	if !hmac.Equal(g.integ.mac(nil, g.key, raw[:end]), raw[end:]) {
		return nil, false
	}
	plain := make([]byte, end-from)
	cipher.NewCBCDecrypter(g.block, raw[at:from]).CryptBlocks(plain, raw[from:end])
	return plain, true
}
