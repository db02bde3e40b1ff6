package ike

import (
	"strings"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/sa"
)

// TestEveryESPSuite: child SAs are made and rekeyed with every suite that ESP has,
// and their keys are as long as that wants them.
func TestEveryESPSuite(t *testing.T) {
	for _, s := range esp.Suites() {
		for _, s.ESN = range []bool{false, true} {
			t.Run(s.String(), func(t *testing.T) {
				a, c := acceptConfig(t), peerConfig(t)
				c.ESP = espProposals(t, s.String())
				a.ESP = append(crypt.DefaultESP(), c.ESP...)
				p := newPair(t, a)
				p.establish(c)
				for range 2 {
					got := p.i.in[p.i.only().SPIIn]
					if got.Suite != s || len(got.KeyIn) != s.KeyLen() || len(got.KeyOut) != s.KeyLen() {
						t.Errorf("%v with keys of %d and %d bytes", got.Suite, len(got.KeyIn), len(got.KeyOut))
					}
					if most := s.MaxBytes(); got.Lifetime.HardBytes != most || got.Lifetime.SoftBytes > most/4*3 || (got.Lifetime.SoftBytes == 0) != (most == 0) {
						t.Errorf("may carry %d bytes, and %d until it is rekeyed", got.Lifetime.HardBytes, got.Lifetime.SoftBytes)
					}
					p.rekeyChild(p.i)
					p.steady()
				}
				p.close()
			})
		}
	}
}

// TestSuitesOfProposals: whatever a proposal for ESP can name, ESP can do.
func TestSuitesOfProposals(t *testing.T) {
	n := 0
	for _, bits := range []uint16{128, 192, 256} {
		for _, id := range []message.EncrID{message.EncrAESGCM16, message.EncrAESGCM12, message.EncrAESGCM8, message.EncrAESCBC} {
			integs := []message.IntegID{message.IntegNone}
			if id == message.EncrAESCBC {
				integs = []message.IntegID{message.IntegHMACSHA256128, message.IntegHMACSHA384192, message.IntegHMACSHA512256}
			}
			for _, integ := range integs {
				c := crypt.Choice{Protocol: message.ProtoESP, Encr: crypt.Encr{ID: id, KeyLen: bits}, Integ: integ, ESN: message.ESNYes}
				if s, ok := SuiteOf(c); !ok || s.String() != c.String() || !s.ESN {
					t.Errorf("%v is the suite %v, %v", c, s, ok)
				}
				n++
			}
		}
	}
	if s, ok := SuiteOf(crypt.Choice{Encr: crypt.Encr{ID: message.EncrChaCha20Poly1305}}); !ok || s.String() != "chacha20poly1305" {
		t.Errorf("%v, %v", s, ok)
	}
	if n++; n != len(esp.Suites()) {
		t.Errorf("%d choices for %d suites", n, len(esp.Suites()))
	}
	for _, c := range []crypt.Choice{{}, {Encr: crypt.Encr{ID: message.EncrAESCBC, KeyLen: 128}}, {Encr: crypt.Encr{ID: 99, KeyLen: 128}}} {
		if s, ok := SuiteOf(c); ok {
			t.Errorf("%+v is the suite %v", c, s)
		}
	}
}

// TestOldCiphersAreAskedFor: AES-CBC and short ICVs are neither offered nor taken
// where nobody configured them.
func TestOldCiphersAreAskedFor(t *testing.T) {
	for _, p := range crypt.DefaultESP() {
		if s := p.String(); !strings.Contains(s, "gcm16") || strings.Contains(s, "gcm8") || strings.Contains(s, "gcm12") || len(p.Integ) > 0 {
			t.Errorf("%s is offered by default", s)
		}
	}
	for _, s := range []string{"aes128-sha256", "aes256gcm12-esn", "aes256gcm8"} {
		a, c := acceptConfig(t), peerConfig(t)
		a.ESP, c.ESP = crypt.DefaultESP(), espProposals(t, s)
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		if len(p.r.in) != 0 || len(p.i.in) != 0 {
			t.Errorf("%s is taken", s)
		}
	}
}

// TestCBCLimit: what is configured holds where it is less than what AES-CBC is
// good for.
func TestCBCLimit(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	c.ESP = espProposals(t, "aes256-sha512")
	a.ESP = c.ESP
	c.Rekey.Child = sa.Lifetime{SoftTime: time.Hour, HardTime: 2 * time.Hour, SoftBytes: 1e9, HardBytes: 2e9}
	a.Rekey.Child = sa.Lifetime{SoftBytes: 1 << 60, HardBytes: 1 << 61}
	p := newPair(t, a)
	p.establish(c)
	i, r := p.i.in[p.i.only().SPIIn].Lifetime, p.r.in[p.r.only().SPIIn].Lifetime
	if i.HardBytes != 2e9 || i.SoftBytes > 1e9 || i.SoftTime != time.Hour {
		t.Errorf("%+v, not what is configured", i)
	}
	if most := uint64(1 << 52); r.HardBytes != most || r.SoftBytes > most/4*3 || r.SoftBytes < most/2 {
		t.Errorf("%+v, which is more than AES-CBC is good for", r)
	}
}
