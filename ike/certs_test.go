package ike

import (
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"warren/ike/trust"
	"warren/pki"
)

// A testPKI is a root, an intermediate authority below it, and another root that
// nobody trusts.
type testPKI struct {
	root, sub, other *pki.Authority
	keys             map[string]pki.Pair
}

// thePKI is made once: RSA keys take their time.
var thePKI = sync.OnceValue(func() *testPKI {
	p := &testPKI{keys: map[string]pki.Pair{}}
	p.root = must(pki.NewAuthority(pki.Template{Subject: "C=CH, O=Example, CN=root", MaxPath: 1, From: start.AddDate(-1, 0, 0), To: start.AddDate(9, 0, 0)}))
	p.sub = must(p.root.Authority(pki.Template{Subject: "C=CH, O=Example, CN=sub", From: start.AddDate(-1, 0, 0), To: start.AddDate(9, 0, 0)}))
	p.other = must(pki.NewAuthority(pki.Template{Subject: "CN=other root", MaxPath: 1, From: start.AddDate(-1, 0, 0), To: start.AddDate(9, 0, 0)}))
	return p
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testKeys has one key of a kind for all tests, and more with "-of-" and a name
// behind it.
var testKeys = sync.OnceValue(func() func(kind string) pki.Pair {
	keys := map[string]pki.Pair{}
	return func(kind string) pki.Pair {
		if _, ok := keys[kind]; !ok {
			algorithm, _, _ := strings.Cut(kind, "-of-")
			keys[kind] = pki.Pair{Key: must(pki.NewKey(algorithm))}
		}
		return keys[kind]
	}
})

// issue makes the certificate of name, a domain name, by from.
func issue(from *pki.Authority, kind, name string, change ...func(*pki.Template)) *pki.Pair {
	t := pki.Template{Subject: "C=CH, O=Example, CN=" + name, DNS: []string{name}, Emails: []string{"user@" + name},
		Key: testKeys()(kind).Key, From: start.AddDate(0, 0, -1), To: start.AddDate(1, 0, 0)}
	for _, f := range change {
		f(&t)
	}
	return must(from.Issue(t))
}

func credential(t rapid.TB, p *pki.Pair, above ...*pki.Authority) *trust.Credential {
	t.Helper()
	certs := []*x509.Certificate{p.Cert}
	for _, a := range above {
		certs = append(certs, a.Cert)
	}
	c, err := trust.NewCredential(certs, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func store(t rapid.TB, o trust.Options, anchors ...*pki.Authority) *trust.Store {
	t.Helper()
	for _, a := range anchors {
		o.Anchors = append(o.Anchors, a.Cert)
	}
	s, err := trust.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// certPair are the configurations of two ends with certificates of one kind of
// key each, the initiator's below an intermediate authority.
func certPair(t rapid.TB, kindI, kindR string) (PeerConfig, AcceptConfig) {
	pk := thePKI()
	c, a := peerConfig(t), acceptConfig(t)
	c.PSK, a.PSK = nil, nil
	c.Cert = credential(t, issue(pk.sub, kindI, "alice.example"), pk.sub)
	a.Cert = credential(t, issue(pk.root, kindR, "sg1.example"))
	c.Trust, a.Trust = store(t, trust.Options{}, pk.root), store(t, trust.Options{}, pk.root)
	return c, a
}

// TestCertificates establishes with every kind of key, on either side.
func TestCertificates(t *testing.T) {
	kinds := []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072"}
	for i, kind := range kinds {
		for _, kinds := range [][2]string{{kind, kinds[(i+1)%len(kinds)]}, {kind, kind}} {
			t.Run(fmt.Sprint(kinds), func(t *testing.T) {
				c, a := certPair(t, kinds[0], kinds[1])
				p := newPair(t, a)
				p.establish(c)
				if got := p.r.theSession().Remote; got != c.LocalID {
					t.Errorf("the responder says that it is %v", got)
				}
				p.close()
			})
		}
	}
}

// TestMixed has one side with a certificate and the other with a pre-shared key.
func TestMixed(t *testing.T) {
	pk := thePKI()
	for _, initiatorHasCert := range []bool{true, false} {
		c, a := peerConfig(t), acceptConfig(t)
		if initiatorHasCert {
			c.Cert, a.Trust = credential(t, issue(pk.root, "ecdsa-p256", "alice.example")), store(t, trust.Options{}, pk.root)
		} else {
			a.Cert, c.Trust = credential(t, issue(pk.root, "ecdsa-p256", "sg1.example")), store(t, trust.Options{}, pk.root)
		}
		p := newPair(t, a)
		p.establish(c)
		p.close()
	}
}
