package trust

import (
	"crypto"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"warren/ike/dn"
	"warren/ike/message"
	"warren/ike/sign"
)

// A Credential is a certificate of this node, the intermediate ones that lead to
// it, and its private key. However it is printed, logged or marshalled, it shows
// the certificate's subject and nothing of the key. It is not changed.
type Credential struct {
	chain []*x509.Certificate // its own, then its issuer's and so on
	key   *keyBox
}

// A keyBox is behind a pointer, so that package fmt stops at it.
type keyBox struct{ signer crypto.Signer }

// ErrMismatch means that a private key is not the certificate's.
var ErrMismatch = errors.New("trust: the private key is not that of the certificate")

// NewCredential joins certs, of which the first is the node's own, and its key.
func NewCredential(certs []*x509.Certificate, key crypto.Signer) (*Credential, error) {
	if len(certs) == 0 || key == nil {
		return nil, errors.New("trust: certificate or key is missing")
	}
	if len(certs) > MaxCerts {
		return nil, fmt.Errorf("trust: %d certificates are more than the %d that peers take", len(certs), MaxCerts)
	}
	own, ok := certs[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !own.Equal(key.Public()) {
		return nil, fmt.Errorf("%w: the certificate is of %s", ErrMismatch, Subject(certs[0]))
	}
	if err := sign.CheckKey(key.Public()); err != nil {
		return nil, fmt.Errorf("trust: certificate of %s: %w", Subject(certs[0]), err)
	}
	if err := checkUsage(certs[0]); err != nil {
		return nil, fmt.Errorf("trust: certificate of %s: %w", Subject(certs[0]), err)
	}
	return &Credential{chain: certs, key: &keyBox{key}}, nil
}

// Leaf is the node's own certificate.
func (c *Credential) Leaf() *x509.Certificate { return c.chain[0] }

// Ends is when the first of its certificates ends.
func (c *Credential) Ends() time.Time { return ends(c.chain) }

// ends is when a path is no longer good.
func ends(chain []*x509.Certificate) time.Time {
	first := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// Payloads are the CERT payloads that send the certificate and those between it
// and a trust anchor (RFC 7296, Section 3.6). A certificate that signed itself is
// left out behind the first: who trusts it has it.
func (c *Credential) Payloads() []message.Payload {
	var ps []message.Payload
	for i, cert := range c.chain {
		if i == 0 || string(cert.RawSubject) != string(cert.RawIssuer) {
			ps = append(ps, &message.Cert{Encoding: X509Signature, Data: cert.Raw})
		}
	}
	return ps
}

// Sign signs octets for a peer that announced hashes.
func (c *Credential) Sign(rand io.Reader, hashes []sign.Hash, octets []byte) (*message.Auth, error) {
	return sign.Sign(rand, c.key.signer, hashes, octets)
}

// Subject is the certificate's subject in the very octets that it has there, for
// an ID payload of type ID_DER_ASN1_DN.
func (c *Credential) Subject() []byte { return c.chain[0].RawSubject }

// Unwanted reports whether a peer that asks for certificates under the trust
// anchors keyIDs (RFC 7296, Section 3.7) cannot find one of them above this
// certificate. The root may be missing in the file, and is then looked for among
// the anchors of store; what is not known is not judged.
func (c *Credential) Unwanted(keyIDs [][sha1.Size]byte, store *Store) bool {
	top := c.chain[len(c.chain)-1]
	isRoot := func(x *x509.Certificate) bool { return string(x.RawSubject) == string(top.RawIssuer) }
	chain := slices.Clone(c.chain)
	if store != nil && !isRoot(top) {
		if i := slices.IndexFunc(store.anchors, isRoot); i >= 0 {
			chain = append(chain, store.anchors[i])
		}
	}
	for _, cert := range chain {
		if slices.Contains(keyIDs, sha1.Sum(cert.RawSubjectPublicKeyInfo)) {
			return false
		}
	}
	return len(keyIDs) > 0 && isRoot(chain[len(chain)-1])
}

// Describe names the certificate for people.
func Describe(c *x509.Certificate) string {
	return fmt.Sprintf("%s, issued by %s, %s", Subject(c), name(c.RawIssuer), KeyKind(c))
}

// Subject is a certificate's subject as text.
func Subject(c *x509.Certificate) string { return name(c.RawSubject) }

// Issuer is who issued a certificate, as text.
func Issuer(c *x509.Certificate) string { return name(c.RawIssuer) }

// KeyKind is what kind of key a certificate is of, as text.
func KeyKind(c *x509.Certificate) string { return sign.KeyName(c.PublicKey) }

func name(der []byte) string {
	n, err := dn.Parse(der)
	if err != nil || len(n) == 0 {
		return "(no name)"
	}
	return n.String()
}

// String names the certificate.
func (c Credential) String() string { return "certificate of " + Subject(c.chain[0]) }

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// Format is String for every verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue is String.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String, and JSON uses it too.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// TLS is c for crypto/tls, private key and all: it must not be printed.
func (c *Credential) TLS() tls.Certificate {
	t := tls.Certificate{PrivateKey: c.key.signer, Leaf: c.chain[0]}
	for _, cert := range c.chain {
		t.Certificate = append(t.Certificate, cert.Raw)
	}
	return t
}
