package sign

import (
	"crypto"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"encoding/binary"
	"errors"
	"slices"
)

// A Hash is a value of the registry "IKEv2 Hash Algorithms" (RFC 7427, Section
// 7).
type Hash uint16

// The hashes that are understood. Identity stands for algorithms that take the
// octets themselves (RFC 8420, Section 2).
const (
	SHA256   Hash = 2
	SHA384   Hash = 3
	SHA512   Hash = 4
	Identity Hash = 5
)

// Hashes lists what this package takes, the most wanted first.
func Hashes() []Hash { return []Hash{SHA256, SHA384, SHA512, Identity} }

// crypto is zero for Identity.
func (h Hash) crypto() crypto.Hash {
	switch h {
	case SHA256:
		return crypto.SHA256
	case SHA384:
		return crypto.SHA384
	case SHA512:
		return crypto.SHA512
	}
	return 0
}

// Sum is what is signed of octets.
func (h Hash) Sum(octets []byte) []byte {
	if h == Identity {
		return octets
	}
	d := h.crypto().New()
	d.Write(octets)
	return d.Sum(nil)
}

// ErrHashes means that a SIGNATURE_HASH_ALGORITHMS notify is malformed.
var ErrHashes = errors.New("sign: list of hash algorithms is malformed")

// MarshalHashes is the data of a SIGNATURE_HASH_ALGORITHMS notify (RFC 7427,
// Section 4).
func MarshalHashes(hs []Hash) []byte {
	var b []byte
	for _, h := range hs {
		b = binary.BigEndian.AppendUint16(b, uint16(h))
	}
	return b
}

// ParseHashes reads one, and leaves out what this package does not know.
func ParseHashes(data []byte) ([]Hash, error) {
	if len(data)%2 != 0 {
		return nil, ErrHashes
	}
	var hs []Hash
	for ; len(data) > 0; data = data[2:] {
		h := Hash(binary.BigEndian.Uint16(data))
		if slices.Contains(Hashes(), h) && !slices.Contains(hs, h) {
			hs = append(hs, h)
		}
	}
	return hs, nil
}
