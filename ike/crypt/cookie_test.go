package crypt

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/iotest"

	"warren/ike/message"
)

// TestCookies: a cookie is bound to Ni, the source address, SPIi and the secret's
// version (RFC 7296, Section 2.6; case 40).
func TestCase40Cookies(t *testing.T) {
	c := must(NewCookies(nil))
	ni, src, spi := bytes.Repeat([]byte{1}, 32), netip.MustParseAddr("192.0.2.1"), message.SPI(7)
	cookie := c.Make(ni, src, spi)
	if n := len(cookie); n < 1 || n > 64 {
		t.Fatalf("cookie of %d octets", n)
	}
	good := func(cookie []byte, want bool, what string) {
		t.Helper()
		if got := c.Check(cookie, ni, src, spi); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	good(cookie, true, "as made")
	good(nil, false, "none")
	for i := range cookie {
		b := bytes.Clone(cookie)
		b[i] ^= 0x80
		good(b, false, fmt.Sprint("byte ", i, " changed"))
		good(cookie[:i], false, fmt.Sprint("cut to ", i))
	}
	good(append(bytes.Clone(cookie), 0), false, "longer")
	for v := range 256 {
		b := bytes.Clone(cookie)
		b[0] = byte(v)
		good(b, byte(v) == cookie[0], fmt.Sprint("version ", v))
	}
	if c.Check(cookie, append(bytes.Clone(ni), 0), src, spi) || c.Check(cookie, ni[1:], src, spi) ||
		c.Check(cookie, ni, src.Next(), spi) || c.Check(cookie, ni, src, spi+1) {
		t.Error("good for another request")
	}
	if !c.Check(cookie, ni, netip.AddrFrom16(src.As16()), spi) {
		t.Error("not good for the same address in IPv6 form")
	}
	if must(NewCookies(nil)).Check(cookie, ni, src, spi) {
		t.Error("good with another secret")
	}
	must(0, c.Rotate())
	good(cookie, true, "after one rotation")
	if bytes.Equal(c.Make(ni, src, spi), cookie) {
		t.Error("rotation changes nothing")
	}
	must(0, c.Rotate())
	good(cookie, false, "after two rotations")
	for range 300 { // the version wraps
		now := c.Make(ni, src, spi)
		good(now, true, "fresh")
		must(0, c.Rotate())
		good(now, true, "one rotation old")
	}
}

func TestCookiesEntropy(t *testing.T) {
	bad := iotest.ErrReader(errors.New("no entropy"))
	if _, err := NewCookies(bad); err == nil {
		t.Error("made without a secret")
	}
	c := must(NewCookies(nil))
	cookie := c.Make(nil, netip.MustParseAddr("::1"), 1)
	c.random = bad
	if c.Rotate() == nil || !c.Check(cookie, nil, netip.MustParseAddr("::1"), 1) {
		t.Error("failed rotation lost the secret")
	}
}

// TestNATHash: all that goes in counts. TestTrace compares with strongSwan.
func TestNATHash(t *testing.T) {
	a := netip.MustParseAddrPort("192.0.2.1:500")
	h := NATHash(1, 2, a)
	if len(h) != 20 {
		t.Fatalf("%d octets", len(h))
	}
	if !bytes.Equal(h, NATHash(1, 2, netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), 500))) {
		t.Error("IPv4 in IPv6 form hashes differently")
	}
	for what, other := range map[string][]byte{
		"SPIi": NATHash(3, 2, a), "SPIr": NATHash(1, 3, a),
		"port":    NATHash(1, 2, netip.AddrPortFrom(a.Addr(), 501)),
		"address": NATHash(1, 2, netip.AddrPortFrom(a.Addr().Next(), 500)),
		"family":  NATHash(1, 2, netip.MustParseAddrPort("[2001:db8::1]:500")),
	} {
		if bytes.Equal(h, other) {
			t.Errorf("%s does not count", what)
		}
	}
}
