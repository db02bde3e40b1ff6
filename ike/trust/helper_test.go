package trust

import (
	"crypto"
	"crypto/x509"
	"math/big"
	"sync"
	"testing"
	"time"

	"warren/ike/dn"
	"warren/ike/message"
	"warren/pki"
)

var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// authorities are a root and one below it, made once.
var authorities = sync.OnceValues(func() (root, sub *pki.Authority) {
	root = must(pki.NewAuthority(template("CN=root", func(t *pki.Template) { t.MaxPath = 2 })))
	return root, must(root.Authority(template("CN=sub", func(t *pki.Template) { t.MaxPath = -1 })))
})

var aKey = sync.OnceValue(func() crypto.Signer { return must(pki.NewKey("")) })

func template(subject string, change ...func(*pki.Template)) pki.Template {
	t := pki.Template{Subject: subject, From: now.AddDate(0, -1, 0), To: now.AddDate(1, 0, 0)}
	for _, f := range change {
		f(&t)
	}
	return t
}

// alice is a certificate for alice.example.
func alice(from *pki.Authority, change ...func(*pki.Template)) *pki.Pair {
	t := template("CN=alice", append([]func(*pki.Template){func(t *pki.Template) {
		t.DNS, t.Key = []string{"alice.example"}, aKey()
	}}, change...)...)
	return must(from.Issue(t))
}

func fqdn(s string) *message.ID { return &message.ID{IDType: message.IDFQDN, Data: []byte(s)} }

func dnID(s string) *message.ID {
	return &message.ID{IDType: message.IDDN, Data: must(must(dn.ParseText(s)).Marshal())}
}

func newStore(t testing.TB, o Options, anchors ...*x509.Certificate) *Store {
	t.Helper()
	o.Anchors = anchors
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func crlOf(a *pki.Authority, from, to time.Time, serials ...*big.Int) []byte {
	return must(a.CRL(pki.CRL{Revoked: serials, From: from, To: to}))
}
