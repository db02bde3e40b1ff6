package crypt

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"warren/ike/message"
)

// An integrity is an HMAC whose output is cut to half, for ciphers that are not
// AEADs (RFC 4868, Section 2). Its key is as long as its output before.
type integrity struct {
	hash func() hash.Hash
	size int // of the key
}

func (i integrity) icv() int { return i.size / 2 }

func integrityOf(id message.IntegID) (integrity, error) {
	switch id {
	case message.IntegHMACSHA256128:
		return integrity{sha256.New, sha256.Size}, nil
	case message.IntegHMACSHA384192:
		return integrity{sha512.New384, sha512.Size384}, nil
	case message.IntegHMACSHA512256:
		return integrity{sha512.New, sha512.Size}, nil
	}
	return integrity{}, fmt.Errorf("%w: %v", ErrUnknown, id)
}

// integKey is the length of SK_ai and of a child SA's integrity key: none for an
// AEAD (RFC 5282, Section 7.1).
func integKey(id message.IntegID) (int, error) {
	if id == message.IntegNone {
		return 0, nil
	}
	i, err := integrityOf(id)
	return i.size, err
}

// mac appends the ICV of data under key to b.
func (i integrity) mac(b, key, data []byte) []byte {
	m := hmac.New(i.hash, key)
	m.Write(data)
	return m.Sum(b)[:len(b)+i.icv()]
}
