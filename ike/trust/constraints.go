package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"warren/ike/dn"
)

// Crypto/x509 enforces the name constraints of RFC 5280, Section 4.2.1.10 for the
// names in subjectAltName. Here are those for distinguished names, and for the
// email addresses inside of those; and of email addresses at large, that a host
// without a leading dot permits that host alone, not those below it.

func oidNameConstraints() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 30} }
func oidSubjectAltName() asn1.ObjectIdentifier  { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// subtrees are a certificate's constraints on distinguished names.
type subtrees struct {
	permitted, excluded []dn.Name
	others              bool // constraints on kinds of names that nobody handles
}

var errConstraints = errors.New("its name constraints are malformed")

func extension(c *x509.Certificate, oid asn1.ObjectIdentifier) []byte {
	for _, e := range c.Extensions {
		if e.Id.Equal(oid) {
			return e.Value
		}
	}
	return nil
}

// GeneralName's tags (RFC 5280, Section 4.2.1.6).
const (
	tagEmail = casn1.Tag(1) | 0x80
	tagDNS   = casn1.Tag(2) | 0x80
	tagDN    = casn1.Tag(4) | 0xa0
	tagURI   = casn1.Tag(6) | 0x80
	tagIP    = casn1.Tag(7) | 0x80
)

// readSubtrees reads the constraints of c; nil where it has none.
func readSubtrees(c *x509.Certificate) (*subtrees, error) {
	value := extension(c, oidNameConstraints())
	if value == nil {
		return nil, nil
	}
	in := cryptobyte.String(value)
	var all, permitted, excluded cryptobyte.String
	var some bool
	if !in.ReadASN1(&all, casn1.SEQUENCE) || !in.Empty() ||
		!all.ReadOptionalASN1(&permitted, &some, casn1.Tag(0).ContextSpecific().Constructed()) ||
		!all.ReadOptionalASN1(&excluded, &some, casn1.Tag(1).ContextSpecific().Constructed()) || !all.Empty() {
		return nil, errConstraints
	}
	s := &subtrees{}
	return s, errors.Join(s.read(permitted, &s.permitted), s.read(excluded, &s.excluded))
}

func (s *subtrees) read(in cryptobyte.String, into *[]dn.Name) error {
	for !in.Empty() {
		var tree, base, set cryptobyte.String
		var tag casn1.Tag
		if !in.ReadASN1(&tree, casn1.SEQUENCE) || !tree.ReadAnyASN1(&base, &tag) {
			return errConstraints
		}
		switch {
		case !tree.Empty(): // minimum and maximum, which RFC 5280 does not use
			s.others = true
		case tag == tagDN:
			if set = base; !base.ReadASN1(new(cryptobyte.String), casn1.SEQUENCE) || !base.Empty() {
				return errConstraints
			}
			n, err := dn.Parse(set)
			if err != nil {
				return errConstraints
			}
			*into = append(*into, n)
		case tag != tagEmail && tag != tagDNS && tag != tagURI && tag != tagIP:
			s.others = true
		}
	}
	return nil
}

// handleConstraints tells crypto/x509 that a critical extension it does not
// handle is handled here.
func handleConstraints(c *x509.Certificate) {
	s, err := readSubtrees(c)
	if s == nil || err != nil || s.others {
		return
	}
	c.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), oidNameConstraints().Equal)
}

// checkConstraints holds the names in chain to the constraints of the issuers
// above them (RFC 5280, Section 6.1.3). A certificate that its own issuer's name
// is in is exempt, unless it is the first.
func checkConstraints(chain []*x509.Certificate) error {
	for i, issuer := range chain {
		s, err := readSubtrees(issuer)
		if err != nil {
			return fmt.Errorf("issuer %s: %w", Subject(issuer), err)
		}
		if s == nil || i == 0 {
			continue
		}
		for j, c := range chain[:i] {
			if j > 0 && bytes.Equal(c.RawSubject, c.RawIssuer) {
				continue
			}
			if err := s.allow(issuer, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *subtrees) allow(issuer, c *x509.Certificate) error {
	names, err := distinguishedNames(c)
	if err != nil {
		return fmt.Errorf("%s: %w", Subject(c), err)
	}
	for _, n := range names {
		if !s.permits(n) {
			return fmt.Errorf("issuer %s may not issue for %s", Subject(issuer), n)
		}
	}
	for _, email := range append(subjectEmails(c), c.EmailAddresses...) {
		if !emailAllowed(issuer, email) {
			return fmt.Errorf("issuer %s may not issue for %s", Subject(issuer), email)
		}
	}
	return nil
}

// permits compares without regard to case and blanks (RFC 5280, Section 7.1). A
// value that is no text could be anything, so it is within what is excluded.
func (s *subtrees) permits(n dn.Name) bool {
	folded := n.Fold()
	within := func(base dn.Name) bool { return folded.Within(base.Fold()) }
	if len(s.permitted) > 0 && !slices.ContainsFunc(s.permitted, within) {
		return false
	}
	return len(s.excluded) == 0 || n.IsText() && !slices.ContainsFunc(s.excluded, within)
}

// distinguishedNames are the subject, unless it is empty, and those among the
// subject alternative names.
func distinguishedNames(c *x509.Certificate) ([]dn.Name, error) {
	var names []dn.Name
	subject, err := dn.Parse(c.RawSubject)
	if err != nil {
		return nil, err
	}
	if len(subject) > 0 {
		names = append(names, subject)
	}
	in := cryptobyte.String(extension(c, oidSubjectAltName()))
	var all cryptobyte.String
	if len(in) == 0 || !in.ReadASN1(&all, casn1.SEQUENCE) {
		return names, nil // crypto/x509 has refused what is malformed
	}
	for !all.Empty() {
		var value cryptobyte.String
		var tag casn1.Tag
		if !all.ReadAnyASN1(&value, &tag) {
			return nil, dn.ErrMalformed
		}
		if tag != tagDN {
			continue
		}
		n, err := dn.Parse(value)
		if err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, nil
}

// subjectEmails are the addresses in the subject, which count where there are
// none in subjectAltName (RFC 5280, Section 4.2.1.10).
func subjectEmails(c *x509.Certificate) []string {
	n, err := dn.Parse(c.RawSubject)
	if err != nil || len(c.EmailAddresses) > 0 {
		return nil
	}
	var out []string
	for _, rdn := range n {
		for _, a := range rdn {
			if a.OID == dn.EmailOID {
				out = append(out, a.Value)
			}
		}
	}
	return out
}

func emailAllowed(issuer *x509.Certificate, email string) bool {
	within := func(constraint string) bool { return emailWithin(email, constraint) }
	if len(issuer.PermittedEmailAddresses) > 0 && !slices.ContainsFunc(issuer.PermittedEmailAddresses, within) {
		return false
	}
	return !slices.ContainsFunc(issuer.ExcludedEmailAddresses, within)
}

// emailWithin: a constraint is a mailbox, a host, or with a leading dot a domain.
func emailWithin(email, constraint string) bool {
	_, host, _ := strings.Cut(email, "@")
	switch {
	case strings.Contains(constraint, "@"):
		return strings.EqualFold(email, constraint)
	case strings.HasPrefix(constraint, "."):
		return strings.HasSuffix(strings.ToLower(host), strings.ToLower(constraint))
	}
	return strings.EqualFold(host, constraint)
}
