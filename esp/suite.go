package esp

import (
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

// Cipher is an AEAD transform. The zero value is none.
type Cipher uint8

const (
	AES128GCM16      Cipher = iota + 1 // RFC 4106
	AES192GCM16                        // RFC 4106
	AES256GCM16                        // RFC 4106
	ChaCha20Poly1305                   // RFC 7634
)

// All transforms here have these sizes in common.
const (
	saltLen  = 4
	ivLen    = 8
	icvLen   = 16
	align    = 4 // the ciphertext ends at a multiple (RFC 4303, Section 2.4)
	nonceLen = saltLen + ivLen

	trailerLen = 2 // pad length and next header
	frontLen   = HeaderLen + ivLen
)

// MinLen is the length of the shortest ESP packet: a shorter one is a runt.
const MinLen = frontLen + align + icvLen

// String returns the transform's name in proposals, such as "aes128gcm16".
func (c Cipher) String() string {
	switch c {
	case AES128GCM16:
		return "aes128gcm16"
	case AES192GCM16:
		return "aes192gcm16"
	case AES256GCM16:
		return "aes256gcm16"
	case ChaCha20Poly1305:
		return "chacha20poly1305"
	}
	return "none"
}

// keyLen is the length of the key proper; 0 for what is no cipher.
func (c Cipher) keyLen() int {
	switch c {
	case AES128GCM16:
		return 16
	case AES192GCM16:
		return 24
	case AES256GCM16, ChaCha20Poly1305:
		return 32
	}
	return 0
}

// A Suite is what the two ends of an SA agreed on.
type Suite struct {
	Cipher Cipher
	ESN    bool // 64-bit sequence numbers
}

// String returns the suite in proposal notation, such as "aes128gcm16-esn".
func (s Suite) String() string {
	if s.ESN {
		return s.Cipher.String() + "-esn"
	}
	return s.Cipher.String()
}

// ParseSuite reads what Suite.String prints.
func ParseSuite(text string) (Suite, error) {
	name, esn := strings.CutSuffix(text, "-esn")
	for c := AES128GCM16; c <= ChaCha20Poly1305; c++ {
		if c.String() == name {
			return Suite{Cipher: c, ESN: esn}, nil
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
// salt (RFC 4106, Section 8.1, RFC 7634, Section 2); 0 for no suite.
func (s Suite) KeyLen() int {
	if n := s.Cipher.keyLen(); n != 0 {
		return n + saltLen
	}
	return 0
}

// IVLen returns the length of the explicit IV.
func (s Suite) IVLen() int { return ivLen }

// ICVLen returns the length of the integrity check value.
func (s Suite) ICVLen() int { return icvLen }

// BlockAlign returns what the length of the ciphertext is a multiple of.
func (s Suite) BlockAlign() int { return align }

// SealedLen returns the length of the ESP packet, from SPI to ICV, that inner
// bytes of plaintext become.
func (s Suite) SealedLen(inner int) int {
	return frontLen + inner + padLen(inner) + trailerLen + icvLen
}

// InnerMTU returns the largest plaintext whose ESP packet, from SPI to ICV, is
// no longer than avail; 0 where there is none.
func (s Suite) InnerMTU(avail int) int {
	ciphertext := (avail - frontLen - icvLen) / align * align
	return max(ciphertext-trailerLen, 0)
}

// padLen returns how many bytes of padding n bytes of plaintext need.
func padLen(n int) int { return -(n + trailerLen) & (align - 1) }
