package esp

import (
	"crypto/aes"
	"fmt"
	"strings"
)

// Mode is the mode of an SA (RFC 4301, Section 4.1).
type Mode uint8

const (
	Tunnel    Mode = iota // a whole IP packet is protected
	Transport             // the payload of one
)

// String returns "tunnel" or "transport".
func (m Mode) String() string {
	if m == Transport {
		return "transport"
	}
	return "tunnel"
}

// A Suite is what the two ends of an SA agreed on.
type Suite struct {
	Cipher Cipher
	Integ  Integ // with AES-CBC only
	ESN    bool  // 64-bit sequence numbers
}

// Suites lists every suite that there is, without ESN.
func Suites() []Suite {
	var all []Suite
	for c := AES128GCM16; c <= AES256CBC; c++ {
		if !c.cbc() {
			all = append(all, Suite{Cipher: c})
			continue
		}
		for i := HMACSHA256; i <= HMACSHA512; i++ {
			all = append(all, Suite{Cipher: c, Integ: i})
		}
	}
	return all
}

// String returns the suite in proposal notation, such as "aes128gcm16-esn" or
// "aes128-sha256".
func (s Suite) String() string {
	name := s.Cipher.String()
	if s.Integ != 0 {
		name += "-" + s.Integ.String()
	}
	if s.ESN {
		name += "-esn"
	}
	return name
}

// ParseSuite reads what Suite.String prints.
func ParseSuite(text string) (Suite, error) {
	name, esn := strings.CutSuffix(text, "-esn")
	for _, s := range Suites() {
		if s.String() == name {
			s.ESN = esn
			return s, nil
		}
	}
	return Suite{}, fmt.Errorf("esp: unknown suite %q", text)
}

// MarshalText is String, for JSON.
func (s Suite) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSuite, for JSON.
func (s *Suite) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSuite(string(text))
	return err
}

// KeyLen returns the length of the keying material: the key, then the 4-byte
// salt of an AEAD (RFC 4106, Section 8.1, RFC 7634, Section 2) or the key of the
// Integ (RFC 7296, Section 2.17); 0 for what is no suite.
func (s Suite) KeyLen() int {
	n := s.Cipher.spec().key
	switch {
	case n == 0 || s.Cipher.cbc() != (s.Integ.keyLen() != 0):
		return 0
	case s.Cipher.cbc():
		return n + s.Integ.keyLen()
	}
	return n + saltLen
}

// MaxBytes returns how much plaintext should be protected with one key, 0 where
// the cipher sets no limit that matters. It is 2^48 blocks of AES-CBC: by then two
// blocks of ciphertext are equal with a probability of 2^-33, which would tell
// how their plaintexts differ.
func (s Suite) MaxBytes() uint64 {
	if s.Cipher.cbc() {
		return aes.BlockSize << 48
	}
	return 0
}
