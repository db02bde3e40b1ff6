package ike

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/message"
	"warren/ike/sign"
	"warren/pki"
)

// A claim is the IKE_AUTH of one side, opened, for a test to change. The side is
// name, a domain name, and would be believed as it is.
type claim struct {
	t         *testing.T
	initiator bool
	name      string
	ps        []message.Payload
	octets    []byte // what its AUTH must sign
}

// certs replaces the certificates.
func (c *claim) certs(encoding uint8, all ...[]byte) {
	c.drop(message.PayloadCert)
	for _, der := range all {
		c.ps = append(c.ps, &message.Cert{Encoding: encoding, Data: der})
	}
}

func (c *claim) drop(kind message.PayloadType) {
	c.ps = slices.DeleteFunc(c.ps, func(p message.Payload) bool { return p.Type() == kind })
}

func (c *claim) auth() *message.Auth {
	a, ok := message.Get[*message.Auth](c.ps)
	if !ok {
		c.t.Fatal("no AUTH")
	}
	return a
}

// as presents the certificate of p, with those above it, and its signature.
func (c *claim) as(p *pki.Pair, above ...*pki.Authority) {
	der := [][]byte{p.Cert.Raw}
	for _, a := range above {
		der = append(der, a.Cert.Raw)
	}
	c.certs(4, der...)
	a, err := sign.Sign(rand.Reader, p.Key, sign.Hashes(), c.octets)
	if err != nil { // not with this package's help
		sum := sign.SHA256.Sum(c.octets)
		sig, err := p.Key.Sign(rand.Reader, sum, crypto.SHA256)
		if err != nil {
			sig = make([]byte, 256)
		}
		a = &message.Auth{Method: message.AuthSignature, Data: append([]byte("\x0f\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"), sig...)}
	}
	*c.auth() = *a
}

// forge has one side's proof changed, and returns the other side's reason for
// not believing it. Nothing may be left, and the refused side is told one thing
// only.
func forge(t *testing.T, initiator bool, change func(*claim)) string {
	t.Helper()
	return forgeWith(t, initiator, change, func(*pair) {})
}

// forgeWith is forge with a look at the two ends.
func forgeWith(t *testing.T, initiator bool, change func(*claim), look func(*pair)) string {
	t.Helper()
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	p := newPair(t, a)
	look(p)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.flush()
	p.deliver(0)
	p.deliver(0)
	if initiator {
		return p.forgeRequest(t, change)
	}
	return p.forgeResponse(t, change)
}

func (p *pair) forgeRequest(t *testing.T, change func(*claim)) string {
	s := p.i.e.order[0]
	ps := p.openWire(p.r)
	x := &claim{t, true, "alice.example", ps, s.cur.keys.SignedOctets(true, s.half.initiatorInput(message.GetID(ps, false)))}
	change(x)
	answer, ok := p.tell(p.i, p.i.say(message.IKEAuth, 1, false, x.ps...))
	if n, is := answer[0].(*message.Notify); !ok || len(answer) != 1 || !is || n.Kind != message.AuthenticationFailed || len(n.Data)+len(n.SPI) != 0 {
		t.Errorf("answered with %+v", answer)
	}
	f, failed := last[SessionFailed](p.r)
	if !failed || count[SessionUp](p.r) != 0 || f.PeerReason != "AUTHENTICATION_FAILED" {
		t.Fatalf("the responder lets it in: %s", dump(p.r.events))
	}
	p.i.e.Abort(s.id)
	p.empty()
	return f.Err.Error()
}

// openWire takes what is on its way to n off the wire: one message, whole or in
// fragments.
func (p *pair) openWire(n *end) []message.Payload {
	p.t.Helper()
	defer func() { p.wire = nil }()
	var part *reassembly
	for _, f := range p.wire {
		sa := n.e.order[0].cur
		in, err := n.e.unwrap(sa, f.d, &part, p.now)
		if errors.Is(err, errPartial) {
			continue
		}
		ps, err := sa.parse(in, message.Header{Exchange: message.IKEAuth}, err)
		if err != nil {
			p.t.Fatal(err)
		}
		return ps
	}
	p.t.Fatalf("no message for %s", n.name)
	return nil
}

func (p *pair) forgeResponse(t *testing.T, change func(*claim)) string {
	s := p.r.e.order[0]
	keys, half := s.cur.keys, *s.half
	for len(p.wire) > 0 && p.wire[0].from == p.i {
		p.deliver(0)
	}
	ps := p.openWire(p.i)
	x := &claim{t, false, "sg1.example", ps, keys.SignedOctets(false, half.responderInput(message.GetID(ps, true)))}
	change(x)
	notice, ok := p.tell(p.r, p.r.say(message.IKEAuth, 1, true, x.ps...))
	if n, is := notice[0].(*message.Notify); !ok || len(notice) != 1 || !is || n.Kind != message.AuthenticationFailed {
		t.Errorf("told %+v", notice)
	}
	f, failed := last[SessionFailed](p.i)
	if !failed || count[SessionUp](p.i) != 0 {
		t.Fatalf("the initiator believes it: %s", dump(p.i.events))
	}
	p.advance(2 * time.Minute)
	p.i.empty()
	return f.Err.Error()
}

// refused runs change in both roles and wants the reason to name want.
func refused(t *testing.T, name, want string, change func(*claim)) {
	for _, initiator := range []bool{true, false} {
		t.Run(fmt.Sprintf("%s initiator=%v", name, initiator), func(t *testing.T) {
			got := forge(t, initiator, change)
			if !strings.Contains(got, want) || !strings.Contains(got, "is not proven") {
				t.Errorf("reason %q, want %q", got, want)
			}
			if strings.ContainsAny(got, "\n\x00") {
				t.Errorf("reason %q has control characters", got)
			}
		})
	}
}

// TestCVE_2022_4967: a certificate is good for the identities in it and for no
// other (also CVE-2023-26463, CVE-2015-4171).
func TestCVE_2022_4967(t *testing.T) {
	root := thePKI().root
	for name, change := range map[string]func(*pki.Template){
		"another name":    func(t *pki.Template) { t.DNS = []string{"mallory.example"} },
		"no name":         func(t *pki.Template) { t.DNS = nil },
		"wildcard":        func(t *pki.Template) { t.DNS = []string{"*.example"} },
		"in the subject":  func(t *pki.Template) { t.DNS, t.Subject = nil, "CN="+t.DNS[0] },
		"as an email":     func(t *pki.Template) { t.Emails, t.DNS = []string{"x@" + t.DNS[0]}, nil },
		"as an ending":    func(t *pki.Template) { t.DNS[0] += ".evil" },
		"as a beginning":  func(t *pki.Template) { t.DNS[0] = "evil." + t.DNS[0] },
		"with a full end": func(t *pki.Template) { t.DNS[0] += "." },
	} {
		refused(t, name, "its certificate is for ", func(c *claim) { c.as(issue(root, "ecdsa-p256", c.name, change)) })
	}
}

// TestCVE_2004_0590: a path that does not lead to an anchor, or not any more, and
// chains in other wrappings (also CVE-2004-0155).
func TestCVE_2004_0590(t *testing.T) {
	p := thePKI()
	for name, tt := range map[string]struct {
		want   string
		change func(*claim)
	}{
		"unknown authority": {"unknown authority", func(c *claim) { c.as(issue(p.other, "ecdsa-p256", c.name)) }},
		"with its root":     {"unknown authority", func(c *claim) { c.as(issue(p.other, "ecdsa-p256", c.name), p.other) }},
		"self-signed": {"unknown authority", func(c *claim) {
			a, err := pki.NewAuthority(pki.Template{Subject: "C=CH, O=Example, CN=root", DNS: []string{c.name}, From: start.AddDate(0, 0, -1),
				Change: func(x *x509.Certificate) { x.KeyUsage = x509.KeyUsageDigitalSignature }})
			if err != nil {
				c.t.Fatal(err)
			}
			c.as(&a.Pair)
		}},
		"link missing": {"unknown authority", func(c *claim) { c.as(issue(p.sub, "ecdsa-p256", c.name)) }},
		"end entity as authority": {"cannot sign this kind of certificate", func(c *claim) {
			middle := issue(p.root, "ecdsa-p384", "middle.example")
			c.as(issue(&pki.Authority{Pair: *middle}, "ecdsa-p256", c.name), &pki.Authority{Pair: *middle})
		}},
		"expired": {"expired", func(c *claim) {
			c.as(issue(p.root, "ecdsa-p256", c.name, func(t *pki.Template) { t.To = start.Add(-time.Hour) }))
		}},
		"not yet valid": {"not yet valid", func(c *claim) {
			c.as(issue(p.root, "ecdsa-p256", c.name, func(t *pki.Template) { t.From = start.Add(time.Hour) }))
		}},
		"for code only": {"extended key usage", func(c *claim) {
			c.as(issue(p.root, "ecdsa-p256", c.name, func(t *pki.Template) {
				t.Change = func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }
			}))
		}},
		"for encryption only": {"key usage", func(c *claim) {
			c.as(issue(p.root, "ecdsa-p256", c.name, func(t *pki.Template) {
				t.Change = func(x *x509.Certificate) { x.KeyUsage = x509.KeyUsageKeyEncipherment }
			}))
		}},
		"signature by another key": {"the signature is wrong", func(c *claim) {
			good := issue(p.root, "ecdsa-p256", c.name)
			c.as(&pki.Pair{Cert: good.Cert, Key: must(pki.NewKey("ecdsa-p256"))})
		}},
		"none":             {"it sent no certificate", func(c *claim) { c.certs(4) }},
		"PKCS #7":          {"a PKCS #7 bundle", func(c *claim) { c.certs(1, issue(p.root, "ecdsa-p256", c.name).Cert.Raw) }},
		"hash and URL":     {"a URL of a certificate", func(c *claim) { c.certs(12, []byte("01234567890123456789http://evil.example/")) }},
		"bundle and URL":   {"a URL of a certificate", func(c *claim) { c.certs(13, []byte("01234567890123456789http://evil.example/")) }},
		"raw key":          {"a raw public key", func(c *claim) { c.certs(15, issue(p.root, "ecdsa-p256", c.name).Cert.RawSubjectPublicKeyInfo) }},
		"unknown encoding": {"another encoding", func(c *claim) { c.certs(200, []byte{1}) }},
		"empty":            {"malformed", func(c *claim) { c.certs(4, nil) }},
		"not DER":          {"malformed", func(c *claim) { c.certs(4, []byte("-----BEGIN CERTIFICATE-----")) }},
		"too many": {"9 certificates, 8 are the most", func(c *claim) {
			good := issue(p.root, "ecdsa-p256", c.name).Cert.Raw
			c.certs(4, slices.Repeat([][]byte{good}, 9)...)
		}},
		"its own last": {"key usage does not allow", func(c *claim) {
			c.certs(4, p.sub.Cert.Raw, issue(p.root, "ecdsa-p256", c.name).Cert.Raw)
		}},
		"a pre-shared key": {"pre-shared key, a certificate is wanted", func(c *claim) {
			*c.auth() = message.Auth{Method: message.AuthPSK, Data: make([]byte, 32)}
		}},
		"no method": {"is no signature", func(c *claim) { c.auth().Method = message.AuthNull }},
	} {
		refused(t, name, tt.want, tt.change)
	}
}

// TestCVE_2020_16088: a key of another peer, known and trusted, proves nothing for
// this one.
func TestCVE_2020_16088(t *testing.T) {
	p := thePKI()
	refused(t, "the other's certificate", "its certificate is for", func(c *claim) {
		c.as(issue(p.root, "ecdsa-p256", "bob.example"))
	})
	refused(t, "the other's signature", "the signature is wrong", func(c *claim) {
		own := issue(p.root, "ecdsa-p256", c.name)
		c.as(&pki.Pair{Cert: own.Cert, Key: testKeys()("ecdsa-p256-of-bob").Key})
	})
}

// TestCVE_2013_2944_Certificates: no octets but the signature's are one.
func TestCVE_2013_2944_Certificates(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"empty": func([]byte) []byte { return nil }, "one octet": func([]byte) []byte { return []byte{0} },
		"all zero":   func(b []byte) []byte { return make([]byte, len(b)) },
		"identifier": func(b []byte) []byte { return b[:1+int(b[0])] },
		"r=0 s=0":    func(b []byte) []byte { return append(b[:1+int(b[0])], 0x30, 6, 2, 1, 0, 2, 1, 0) },
		"short":      func(b []byte) []byte { return b[:len(b)-1] },
		"long":       func(b []byte) []byte { return append(bytes.Clone(b), 0) },
		"one bit":    func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
	} {
		refused(t, name, "sign: ", func(c *claim) { c.auth().Data = change(c.auth().Data) })
	}
}

// TestCVE_2018_16151: keys with which signatures are cheap, and hashes with which
// they can be made for two messages (also CVE-2021-41990, CVE-2017-11185).
func TestCVE_2018_16151(t *testing.T) {
	p := thePKI()
	weak := map[string]crypto.Signer{
		"e=3":   lowExponent(t),
		"1024":  must(rsa.GenerateKey(rand.Reader, 1024)),
		"P-224": must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)),
	}
	for name, key := range weak {
		refused(t, name, "key is not accepted", func(c *claim) {
			c.as(issue(p.root, "ecdsa-p256", c.name, func(t *pki.Template) { t.Key = key }))
		})
	}
	refused(t, "SHA-1", "SHA-1", func(c *claim) {
		own := issue(p.root, "rsa-2048", c.name)
		c.certs(4, own.Cert.Raw)
		sum := sha1.Sum(c.octets)
		*c.auth() = message.Auth{Method: message.AuthRSA, Data: must(own.Key.Sign(rand.Reader, sum[:], crypto.SHA1))}
	})
	refused(t, "PSS without parameters", "unknown, or too weak", func(c *claim) {
		c.as(issue(p.root, "rsa-2048", c.name))
		c.auth().Data = append([]byte("\x0d\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"), make([]byte, 256)...)
	})
	refused(t, "another algorithm", "with a key that is", func(c *claim) {
		c.auth().Data = append([]byte("\x0f\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"), make([]byte, 256)...)
	})
}

// lowExponent is an RSA key with exponent 3.
func lowExponent(t *testing.T) *rsa.PrivateKey {
	one, three := big.NewInt(1), big.NewInt(3)
	prime := func() *big.Int {
		for {
			p, err := rand.Prime(rand.Reader, 1024)
			if err != nil {
				t.Fatal(err)
			}
			if new(big.Int).Mod(p, three).Int64() == 2 {
				return p
			}
		}
	}
	p, q := prime(), prime()
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 3}, D: new(big.Int).ModInverse(three, phi), Primes: []*big.Int{p, q}}
	k.Precompute()
	return k
}

// TestReservedOctetsAreSigned: those of the ID payload are proven as received
// (CASES row 35).
func TestReservedOctetsAreSigned(t *testing.T) {
	refused(t, "changed on the way", "the signature is wrong", func(c *claim) {
		message.GetID(c.ps, !c.initiator).Reserved[1] = 7
	})
}

// FuzzClaim has any octets for the certificates, the requests for them and the
// proof of either side, sealed with the right keys. Nobody is believed.
func FuzzClaim(f *testing.F) {
	good := issue(thePKI().root, "ecdsa-p256", "alice.example").Cert.Raw
	f.Add(true, uint8(4), good, uint8(14), []byte("\x0c\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x30\x06\x02\x01\x01\x02\x01\x01"), make([]byte, 20))
	f.Add(false, uint8(4), good, uint8(9), make([]byte, 64), []byte{1})
	f.Add(true, uint8(12), []byte("0123456789012345678\x00http://"), uint8(1), make([]byte, 256), []byte{})
	f.Fuzz(func(t *testing.T, initiator bool, encoding uint8, cert []byte, method uint8, auth, request []byte) {
		if len(cert)+len(auth)+len(request) > 60000 {
			return // more than a message holds
		}
		forge(t, initiator, func(c *claim) {
			c.certs(encoding, cert, cert)
			*c.auth() = message.Auth{Method: message.AuthMethod(method), Data: auth}
			c.ps = append(c.ps, &message.CertReq{Encoding: encoding, Data: request})
		})
	})
}
