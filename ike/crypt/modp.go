package crypt

import (
	"errors"
	"fmt"
	"io"
	"math/big"

	"warren/ike/message"
)

// A modpGroup is a prime with p = 2q+1 and the generator 2.
type modpGroup struct {
	id       message.DHGroup
	hexPrime string
	exponent int // octets of a private value: over twice the group's strength (RFC 3526, Section 8)
}

func modpOf(g message.DHGroup) (modpGroup, bool) {
	switch g {
	case message.DHMODP2048:
		return modpGroup{g, modp2048, 48}, true
	case message.DHMODP3072:
		return modpGroup{g, modp3072, 56}, true
	case message.DHMODP4096:
		return modpGroup{g, modp4096, 64}, true
	}
	return modpGroup{}, false
}

// modpExchange uses math/big, whose Exp is not constant-time. A private value
// serves one exchange only, so there is one timing to measure and nothing to
// average.
type modpExchange struct {
	redacted
	id   message.DHGroup
	p, x *big.Int
	size int // of values on the wire
}

func newMODP(g modpGroup, random io.Reader) (*modpExchange, error) {
	p, ok := new(big.Int).SetString(g.hexPrime, 16)
	if !ok {
		return nil, errors.New("ike/crypt: prime is not a number")
	}
	b := make([]byte, g.exponent)
	defer clear(b)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("ike/crypt: %w", err)
	}
	x := new(big.Int).SetBytes(b)
	if x.BitLen() <= 1 {
		return nil, errors.New("ike/crypt: random source yields no private value")
	}
	return &modpExchange{id: g.id, p: p, x: x, size: len(g.hexPrime) / 2}, nil
}

func (x *modpExchange) Group() message.DHGroup { return x.id }

func (x *modpExchange) Public() []byte {
	return new(big.Int).Exp(big.NewInt(2), x.x, x.p).FillBytes(make([]byte, x.size))
}

// Finish checks 1 < r < p-1 (RFC 6989, Section 2.1). The result keeps its
// leading zeros (RFC 7296, Section 2.14).
func (x *modpExchange) Finish(peer []byte) (Secret, error) {
	if len(peer) != x.size {
		return nil, fmt.Errorf("%w: %v has %d octets, not %d", ErrKELength, x.id, x.size, len(peer))
	}
	one, r := big.NewInt(1), new(big.Int).SetBytes(peer)
	top := new(big.Int).Sub(x.p, one)
	if r.Cmp(one) <= 0 || r.Cmp(top) >= 0 {
		return nil, fmt.Errorf("%w: %v", ErrKEValue, x.id)
	}
	return r.Exp(r, x.x, x.p).FillBytes(make([]byte, x.size)), nil
}

func (x *modpExchange) Wipe() {
	clear(x.x.Bits())
	x.x.SetInt64(0)
}
