package pki

import (
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/netip"
	"testing"
	"time"
)

// TestIssue makes a root, an intermediate authority and a certificate with every
// kind of key, and has crypto/x509 judge them.
func TestIssue(t *testing.T) {
	root, err := NewAuthority(Template{Subject: "C=CH, CN=root", MaxPath: 1})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := root.Authority(Template{Subject: "C=CH, CN=sub"})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range KeyKinds()[:5] {
		p, err := sub.Issue(Template{Subject: "CN=alice", KeyKind: kind, DNS: []string{"alice.example"}, Emails: []string{"a@b.example"},
			IPs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, CRLURLs: []string{"http://crl.example/"}})
		if err != nil {
			t.Fatal(err)
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(root.Cert)
		between.AddCert(sub.Cert)
		if _, err := p.Cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: "alice.example"}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		data, err := KeyPEM(p.Key)
		if b, _ := pem.Decode(data); err != nil || b == nil || b.Type != "PRIVATE KEY" {
			t.Errorf("%s: key is written as %+v, %v", kind, b, err)
		}
		if len(p.Cert.IPAddresses) != 2 || len(p.Cert.CRLDistributionPoints) != 1 || len(p.Cert.EmailAddresses) != 1 {
			t.Errorf("%s: %+v", kind, p.Cert)
		}
	}
	if sub.Cert.MaxPathLen != 0 || !sub.Cert.MaxPathLenZero || root.Cert.MaxPathLen != 1 {
		t.Errorf("path lengths %d and %d", root.Cert.MaxPathLen, sub.Cert.MaxPathLen)
	}
}

func TestCRL(t *testing.T) {
	root, err := NewAuthority(Template{Subject: "CN=root"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	der, err := root.CRL(CRL{Revoked: []*big.Int{big.NewInt(7)}, Number: 3, From: now, To: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(CRLPEM(der))
	l, err := x509.ParseRevocationList(b.Bytes)
	if err != nil || l.CheckSignatureFrom(root.Cert) != nil || len(l.RevokedCertificateEntries) != 1 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestRefused(t *testing.T) {
	if _, err := NewAuthority(Template{}); err == nil {
		t.Error("an authority without a name")
	}
	if _, err := NewAuthority(Template{Subject: "nonsense"}); err == nil {
		t.Error("a subject that is none")
	}
	for _, kind := range []string{"rsa", "rsa-1024", "rsa-x", "dsa", "rsa-16384"} {
		if _, err := NewKey(kind); err == nil {
			t.Errorf("a key of kind %s", kind)
		}
	}
}
