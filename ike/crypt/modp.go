package crypt

import (
	"errors"
	"fmt"
	"io"
	"math/big"

	"warren/ike/message"
)

// modp2048 is the prime of group 14 (RFC 3526, Section 3), whose generator is 2.
const modp2048 = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74" +
	"020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437" +
	"4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed" +
	"ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05" +
	"98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb" +
	"9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b" +
	"e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718" +
	"3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff"

// A modpGroup is a prime with p = 2q+1 and the generator 2.
type modpGroup struct {
	id       message.DHGroup
	hexPrime string
	exponent int // octets of a private value: over twice the group's strength (RFC 3526, Section 8)
}

func modpOf(g message.DHGroup) (modpGroup, bool) {
	if g == message.DHMODP2048 {
		return modpGroup{g, modp2048, 48}, true
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
