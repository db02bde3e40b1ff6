package crypt

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"

	"warren/ike/message"
)

// A curve says how one curve's values look on the wire. RFC 5903, Section 7
// sends x and y without the leading octet of the uncompressed form; RFC 8031,
// Section 3.1 sends the u coordinate as it is.
type curve struct {
	group   message.DHGroup
	ecdh    ecdh.Curve
	prefix  []byte
	scalar  int  // octets of a private value
	top     byte // the bits of its first octet that can be set
	publics int  // octets of a public value on the wire
}

func curveOf(g message.DHGroup) (curve, bool) {
	switch g {
	case message.DHX25519:
		return curve{g, ecdh.X25519(), nil, 32, 0xff, 32}, true
	case message.DHECP256:
		return curve{g, ecdh.P256(), []byte{4}, 32, 0xff, 64}, true
	case message.DHECP384:
		return curve{g, ecdh.P384(), []byte{4}, 48, 0xff, 96}, true
	case message.DHECP521:
		return curve{g, ecdh.P521(), []byte{4}, 66, 0x01, 132}, true
	}
	return curve{}, false
}

type ecdhExchange struct {
	redacted
	c   curve
	key *ecdh.PrivateKey
}

// newECDH draws the scalar itself, so that a test's random source decides it:
// ecdh's GenerateKey ignores the one it is given. A draw outside the order of
// the curve is repeated, which a good source needs less than once in 2^32 times.
func newECDH(c curve, random io.Reader) (*ecdhExchange, error) {
	b := make([]byte, c.scalar)
	defer clear(b)
	for range 8 {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("ike/crypt: %w", err)
		}
		b[0] &= c.top
		if key, err := c.ecdh.NewPrivateKey(b); err == nil {
			return &ecdhExchange{c: c, key: key}, nil
		}
	}
	return nil, errors.New("ike/crypt: random source yields no private value")
}

func (x *ecdhExchange) Group() message.DHGroup { return x.c.group }

func (x *ecdhExchange) Public() []byte { return x.key.PublicKey().Bytes()[len(x.c.prefix):] }

// Finish relies on crypto/ecdh for the checks of RFC 6989, Section 2.3 (the
// point is on the curve and is not the identity) and RFC 8031, Section 3.1 (the
// result is not all zero).
func (x *ecdhExchange) Finish(peer []byte) (Secret, error) {
	if len(peer) != x.c.publics {
		return nil, fmt.Errorf("%w: %v has %d octets, not %d", ErrKELength, x.c.group, x.c.publics, len(peer))
	}
	pub, err := x.c.ecdh.NewPublicKey(append(x.c.prefix[:len(x.c.prefix):len(x.c.prefix)], peer...))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKEValue, x.c.group)
	}
	shared, err := x.key.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKEValue, x.c.group)
	}
	return shared, nil
}

// Wipe drops the reference: crypto/ecdh has no way to overwrite a key.
func (x *ecdhExchange) Wipe() { x.key = nil }
