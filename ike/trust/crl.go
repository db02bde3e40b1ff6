package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// MaxCRL bounds a revocation list in octets.
const MaxCRL = 4 << 20

// ParseCRL reads a revocation list, in PEM or DER, of a kind that is understood.
func ParseCRL(data []byte) (*x509.RevocationList, error) {
	if len(data) > MaxCRL {
		return nil, fmt.Errorf("trust: revocation list is larger than %d octets", MaxCRL)
	}
	found := blocks(data, "X509 CRL")
	if len(found) != 1 {
		return nil, errors.New("trust: there is no revocation list in it, or more than one")
	}
	l, err := x509.ParseRevocationList(found[0])
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	// An issuing distribution point, a delta indicator or the certificate issuer
	// of an entry are critical, and make a list say less than it seems to (RFC
	// 5280, Section 5.2).
	for _, e := range l.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("trust: revocation list has the critical extension %v, which is not supported", e.Id)
		}
	}
	for _, r := range l.RevokedCertificateEntries {
		for _, e := range r.Extensions {
			if e.Critical {
				return nil, fmt.Errorf("trust: revocation list has an entry with the critical extension %v, which is not supported", e.Id)
			}
		}
	}
	return l, nil
}

// ListIssuer is who issued a revocation list, as text.
func ListIssuer(l *x509.RevocationList) string { return name(l.RawIssuer) }

// issuer tells issuers apart: those with one name may have several keys.
type issuer struct{ subject, key string }

func issuerOf(c *x509.Certificate) issuer {
	return issuer{string(c.RawSubject), string(c.RawSubjectPublicKeyInfo)}
}

// A list is what a revocation list says, its signature checked.
type list struct {
	revoked    map[string]time.Time // by serial number
	this, next time.Time
	taken      time.Time // when it was fetched; zero for a file
	url        string    // from where
	number     string
}

func newList(l *x509.RevocationList, taken time.Time) *list {
	out := &list{revoked: make(map[string]time.Time, len(l.RevokedCertificateEntries)),
		this: l.ThisUpdate, next: l.NextUpdate, taken: taken}
	if l.Number != nil {
		out.number = l.Number.String()
	}
	for _, r := range l.RevokedCertificateEntries {
		out.revoked[string(r.SerialNumber.Bytes())] = r.RevocationTime
	}
	return out
}

// clockSkew is how far ahead the clock of an issuer of lists may be.
const clockSkew = 5 * time.Minute

// current reports whether the list may still be relied on. One without a next
// update never is (RFC 5280, Section 5.1.2.5).
func (l *list) current(now time.Time) bool {
	return !now.Before(l.this.Add(-clockSkew)) && now.Before(l.next)
}

// aging reports whether a fetched list is so old that a newer one may be there.
func (l *list) aging(now time.Time) bool {
	life := l.next.Sub(l.this)
	return !l.taken.IsZero() && now.Sub(l.taken) >= max(min(life/4, 24*time.Hour), time.Minute)
}

// signedBy checks that from issued l, and may.
func signedBy(l *x509.RevocationList, from *x509.Certificate) error {
	if !bytes.Equal(l.RawIssuer, from.RawSubject) {
		return fmt.Errorf("trust: revocation list is of %s, one of %s is wanted", name(l.RawIssuer), Subject(from))
	}
	if weak(l.SignatureAlgorithm) {
		return fmt.Errorf("trust: revocation list of %s is signed with %v, which is not accepted", Subject(from), l.SignatureAlgorithm)
	}
	if err := l.CheckSignatureFrom(from); err != nil {
		return fmt.Errorf("trust: revocation list of %s: %w", Subject(from), err)
	}
	return nil
}

// weak: crypto/x509 refuses such signatures of certificates, not of lists.
func weak(a x509.SignatureAlgorithm) bool {
	return a == x509.SHA1WithRSA || a == x509.ECDSAWithSHA1 || a == x509.MD5WithRSA || a == x509.DSAWithSHA1
}

// adopt takes l for the list of from, unless there is a newer one.
func (s *Store) adopt(l *x509.RevocationList, from *x509.Certificate, taken time.Time) error {
	if err := signedBy(l, from); err != nil {
		return err
	}
	key := issuerOf(from)
	if old := s.lists[key]; old != nil && l.ThisUpdate.Before(old.this) {
		return fmt.Errorf("trust: revocation list of %s is older than the one at hand", Subject(from))
	}
	s.lists[key] = newList(l, taken)
	return nil
}

// listOf is the list of an issuer, from a file where it was not fetched.
func (s *Store) listOf(from *x509.Certificate) *list {
	for i := 0; i < len(s.files); i++ {
		if l := s.files[i]; bytes.Equal(l.RawIssuer, from.RawSubject) && s.adopt(l, from, time.Time{}) == nil {
			s.files = append(s.files[:i:i], s.files[i+1:]...)
			i--
		}
	}
	return s.lists[issuerOf(from)]
}
