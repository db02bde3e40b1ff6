package trust

import (
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/ike/message"
	"warren/ike/sign"
)

// MaxCerts bounds the certificates of one message.
const MaxCerts = 8

// X509Signature is the encoding of CERT and CERTREQ payloads that is
// implemented (RFC 7296, Section 3.6).
const X509Signature = 4

// Options are what a Store is made of.
type Options struct {
	// Anchors are the certificates that are trusted without further proof:
	// those of authorities, usually, or a peer's own.
	Anchors []*x509.Certificate

	// Revocation says what must be known of a certificate. The zero value is
	// Soft.
	Revocation Revocation

	// CRLs are revocation lists from files.
	CRLs []*x509.RevocationList
}

// A Store is what one identity of this node trusts.
type Store struct {
	anchors []*x509.Certificate
	pool    *x509.CertPool
	policy  Revocation
	lists   map[issuer]*list
	files   []*x509.RevocationList // of issuers not met yet
	sources map[string]*source     // by URL
}

// New returns a Store, or what is wrong with its anchors.
func New(o Options) (*Store, error) {
	if len(o.Anchors) == 0 {
		return nil, errors.New("trust: there is no trust anchor")
	}
	s := &Store{pool: x509.NewCertPool(), policy: o.Revocation,
		lists: map[issuer]*list{}, sources: map[string]*source{}, files: slices.Clone(o.CRLs)}
	for _, c := range o.Anchors {
		own, err := x509.ParseCertificate(c.Raw) // a copy, which handle may change
		if err != nil {
			return nil, fmt.Errorf("trust: %w", err)
		}
		if err := sign.CheckKey(own.PublicKey); err != nil {
			return nil, fmt.Errorf("trust: anchor %s: %w", Subject(own), err)
		}
		handleConstraints(own)
		s.anchors = append(s.anchors, own)
		s.pool.AddCert(own)
	}
	return s, nil
}

// MaxKeyIDs bounds what a CERTREQ payload names, so that an answer with it is not
// much larger than the request.
const MaxKeyIDs = 16

// KeyIDs are the SHA-1 hashes of the anchors' keys, as a CERTREQ payload names
// them (RFC 7296, Section 3.7).
func (s *Store) KeyIDs() [][sha1.Size]byte {
	var ids [][sha1.Size]byte
	for _, c := range s.anchors {
		id := sha1.Sum(c.RawSubjectPublicKeyInfo)
		if !slices.Contains(ids, id) && len(ids) < MaxKeyIDs {
			ids = append(ids, id)
		}
	}
	return ids
}

// A Peer is a certificate with a path to a trust anchor, and an identity that it
// is for. Whether it was revoked, and whether the peer has its key, is not known
// yet.
type Peer struct {
	chains [][]*x509.Certificate
}

// Certificate is the peer's own.
func (p *Peer) Certificate() *x509.Certificate { return p.chains[0][0] }

// Key is its public key.
func (p *Peer) Key() crypto.PublicKey { return p.Certificate().PublicKey }

// Ends is when the last of its paths is no longer good.
func (p *Peer) Ends() time.Time {
	last := ends(p.chains[0])
	for _, chain := range p.chains[1:] {
		if t := ends(chain); t.After(last) {
			last = t
		}
	}
	return last
}

// Verify finds a path from the first of certs, which are a peer's X.509
// certificates in DER, to a trust anchor, and ties it to id.
func (s *Store) Verify(certs [][]byte, id *message.ID, now time.Time) (*Peer, error) {
	if len(certs) == 0 {
		return nil, errors.New("it sent no certificate")
	}
	if len(certs) > MaxCerts {
		return nil, fmt.Errorf("it sent %d certificates, %d are the most", len(certs), MaxCerts)
	}
	leaf, err := x509.ParseCertificate(certs[0])
	if err != nil {
		return nil, fmt.Errorf("its certificate is malformed: %w", err)
	}
	if err := sign.CheckKey(leaf.PublicKey); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", Subject(leaf), err)
	}
	if err := checkUsage(leaf); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", Subject(leaf), err)
	}
	if err := Bind(leaf, id); err != nil {
		return nil, err
	}
	p := &Peer{}
	if p.chains, err = s.paths(leaf, certs[1:], now); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", Describe(leaf), err)
	}
	return p, nil
}

// paths lists the good paths. Intermediate certificates that cannot be read, or
// whose keys are too weak, lead nowhere.
func (s *Store) paths(leaf *x509.Certificate, others [][]byte, now time.Time) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, der := range others {
		if c, err := x509.ParseCertificate(der); err == nil && sign.CheckKey(c.PublicKey) == nil {
			handleConstraints(c)
			between.AddCert(c)
		}
	}
	handleConstraints(leaf)
	all, err := leaf.Verify(x509.VerifyOptions{Roots: s.pool, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, err
	}
	var good [][]*x509.Certificate
	for _, chain := range all {
		if why := checkPath(chain); why != nil {
			err = why
			continue
		}
		good = append(good, chain)
	}
	if len(good) == 0 {
		return nil, err
	}
	return good, nil
}

// checkPath adds to crypto/x509 what that leaves out.
func checkPath(chain []*x509.Certificate) error {
	for _, c := range chain[1:] {
		if err := checkExtended(c); err != nil {
			return fmt.Errorf("issuer %s: %w", Subject(c), err)
		}
	}
	return checkConstraints(chain)
}
