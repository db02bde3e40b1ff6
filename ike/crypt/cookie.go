package crypt

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"warren/ike/message"
)

// Cookies makes and checks the cookies of RFC 7296, Section 2.6 without keeping
// anything about who asked:
//
//	cookie = version | HMAC-SHA-256(secret[version], SPIi | len(IPi) | IPi | Ni)
//
// Rotate replaces the secret; cookies of the one before stay good until the
// next Rotate. It is not for concurrent use.
type Cookies struct {
	redacted
	random  io.Reader
	version uint8
	secrets [2]Secret // by the low bit of the version
}

const cookieSecret = 32

// NewCookies draws the first secret, from crypto/rand if random is nil.
func NewCookies(random io.Reader) (*Cookies, error) {
	if random == nil {
		random = rand.Reader
	}
	c := &Cookies{random: random}
	return c, c.Rotate()
}

// Rotate draws a new secret. If it fails the old ones stay in use.
func (c *Cookies) Rotate() error {
	s := make(Secret, cookieSecret)
	if _, err := io.ReadFull(c.random, s); err != nil {
		return fmt.Errorf("ike/crypt: %w", err)
	}
	c.version++
	c.secrets[c.version&1] = s
	return nil
}

// Make returns the cookie for an IKE_SA_INIT request with nonce ni and SPI spii
// from address src.
func (c *Cookies) Make(ni []byte, src netip.Addr, spii message.SPI) []byte {
	return c.cookie(c.version, ni, src, spii)
}

// Check reports whether cookie was made for the same request and address, with
// this secret or the one before.
func (c *Cookies) Check(cookie, ni []byte, src netip.Addr, spii message.SPI) bool {
	if len(cookie) == 0 || c.version-cookie[0] > 1 || c.secrets[cookie[0]&1] == nil {
		return false
	}
	return hmac.Equal(cookie, c.cookie(cookie[0], ni, src, spii))
}

func (c *Cookies) cookie(version uint8, ni []byte, src netip.Addr, spii message.SPI) []byte {
	ip := src.Unmap().AsSlice()
	m := hmac.New(sha256.New, c.secrets[version&1])
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(spii)))
	m.Write([]byte{byte(len(ip))})
	m.Write(ip)
	m.Write(ni)
	return m.Sum([]byte{version})
}
