package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"time"

	"warren/ike/dn"
)

// A Template is what a certificate is to say. Zero values are left out, but for
// those that say what they mean.
type Template struct {
	Subject  string // "C=CH, CN=alice"; needed for an authority
	DNS      []string
	Emails   []string
	IPs      []netip.Addr
	CRLURLs  []string  // where its issuer's revocation list is
	From, To time.Time // zero means an hour ago, and a year from then
	Key      crypto.Signer
	Public   crypto.PublicKey // where Key is elsewhere: who has it keeps it
	KeyKind  string           // of the key to make where both are nil

	// MaxPath is how many authorities may follow below an authority; negative
	// means any number.
	MaxPath int

	// Change may change what is signed, at the end.
	Change func(*x509.Certificate)
}

// A Pair is a certificate and its private key, which is nil where Template.Public
// was given.
type Pair struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// An Authority issues certificates.
type Authority struct{ Pair }

// NewAuthority makes a root: an authority that signs itself.
func NewAuthority(t Template) (*Authority, error) {
	p, err := issue(nil, t, authority)
	if err != nil {
		return nil, err
	}
	return &Authority{*p}, nil
}

// Authority makes an intermediate authority below a.
func (a *Authority) Authority(t Template) (*Authority, error) {
	p, err := issue(a, t, authority)
	if err != nil {
		return nil, err
	}
	return &Authority{*p}, nil
}

// Issue makes a certificate of an end entity.
func (a *Authority) Issue(t Template) (*Pair, error) { return issue(a, t, endEntity) }

func authority(c *x509.Certificate, t Template) {
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	if c.MaxPathLen = t.MaxPath; t.MaxPath == 0 {
		c.MaxPathLenZero = true
	}
}

func endEntity(c *x509.Certificate, _ Template) {
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
}

func issue(from *Authority, t Template, as func(*x509.Certificate, Template)) (*Pair, error) {
	key, public, err := t.keys()
	if err != nil {
		return nil, err
	}
	c, err := t.certificate()
	if err != nil {
		return nil, err
	}
	as(c, t)
	if t.Change != nil {
		t.Change(c)
	}
	parent, signer := c, key
	if from != nil {
		parent, signer = from.Cert, from.Key
	} else if len(c.RawSubject) <= 2 {
		return nil, errors.New("pki: an authority needs a subject")
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return &Pair{cert, key}, nil
}

// keys are the subject's: its private key is nil where only the public one is known.
func (t Template) keys() (crypto.Signer, crypto.PublicKey, error) {
	if t.Key == nil && t.Public != nil {
		return nil, t.Public, nil
	}
	key := t.Key
	if key == nil {
		var err error
		if key, err = NewKey(t.KeyKind); err != nil {
			return nil, nil, err
		}
	}
	return key, key.Public(), nil
}

// serialBits leaves a serial number positive in 20 octets (RFC 5280, Section
// 4.1.2.2), and impossible to guess.
const serialBits = 127

func (t Template) certificate() (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	c := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), BasicConstraintsValid: true,
		NotBefore: t.From, NotAfter: t.To,
		DNSNames: t.DNS, EmailAddresses: t.Emails, CRLDistributionPoints: t.CRLURLs,
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = c.NotBefore.AddDate(1, 0, 0)
	}
	for _, a := range t.IPs {
		c.IPAddresses = append(c.IPAddresses, net.IP(a.Unmap().AsSlice()))
	}
	var subject dn.Name
	if t.Subject != "" {
		if subject, err = dn.ParseText(t.Subject); err != nil {
			return nil, fmt.Errorf("pki: %w", err)
		}
	}
	c.RawSubject, err = subject.Marshal()
	return c, err
}

// A CRL is what a revocation list is to say.
type CRL struct {
	Revoked  []*big.Int // serial numbers
	Number   int64
	From, To time.Time
	Change   func(*x509.RevocationList)
}

// CRL makes a revocation list of a, in DER.
func (a *Authority) CRL(c CRL) ([]byte, error) {
	l := &x509.RevocationList{Number: big.NewInt(c.Number), ThisUpdate: c.From, NextUpdate: c.To}
	for _, serial := range c.Revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: c.From})
	}
	if c.Change != nil {
		c.Change(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.Cert, a.Key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return der, nil
}
