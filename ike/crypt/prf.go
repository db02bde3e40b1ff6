package crypt

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	"warren/ike/message"
)

// A PRF is a pseudorandom function (RFC 7296, Section 2.13). Its preferred key
// size is its output size.
type PRF struct {
	id   message.PRFID
	hash func() hash.Hash
	size int
}

// NewPRF returns the function that id names.
func NewPRF(id message.PRFID) (PRF, error) {
	switch id {
	case message.PRFHMACSHA256:
		return PRF{id, sha256.New, sha256.Size}, nil
	case message.PRFHMACSHA384:
		return PRF{id, sha512.New384, sha512.Size384}, nil
	case message.PRFHMACSHA512:
		return PRF{id, sha512.New, sha512.Size}, nil
	}
	return PRF{}, fmt.Errorf("%w: %v", ErrUnknown, id)
}

// Size is the length of an output, and of SK_d, SK_pi and SK_pr.
func (p PRF) Size() int { return p.size }

// minNonce is how long nonces must be: half the key, and at least 16 octets (RFC
// 7296, Section 2.10).
func (p PRF) minNonce() int { return max(message.MinNonce, p.size/2) }

// Sum returns prf(key, data[0] | data[1] | ...).
func (p PRF) Sum(key []byte, data ...[]byte) Secret {
	m := hmac.New(p.hash, key)
	for _, d := range data {
		m.Write(d)
	}
	return m.Sum(nil)
}

// prfPlusRounds is where prf+ ends, as its counter is one octet.
const prfPlusRounds = 255

// ErrPRFPlus means that more was asked of prf+ than it is defined for.
var ErrPRFPlus = errors.New("ike/crypt: prf+ is not defined beyond 255 rounds")

// Plus returns the first n octets of prf+(key, seed[0] | seed[1] | ...).
func (p PRF) Plus(key []byte, n int, seed ...[]byte) (Secret, error) {
	if n < 0 || n > prfPlusRounds*p.size {
		return nil, ErrPRFPlus
	}
	out := make(Secret, 0, n+p.size)
	m := hmac.New(p.hash, key)
	for i := byte(1); len(out) < n; i++ {
		m.Reset()
		if i > 1 {
			m.Write(out[len(out)-p.size:])
		}
		for _, s := range seed {
			m.Write(s)
		}
		m.Write([]byte{i})
		out = m.Sum(out)
	}
	clear(out[n:])
	return out[:n:n], nil
}
