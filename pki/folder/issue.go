package folder

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"warren/ike/trust"
	"warren/pki"
)

// A Request says what a certificate is to be.
type Request struct {
	Name    string   // of its files
	Subject string   // empty means "CN=" and Name
	SANs    []string // addresses, mail addresses and domain names
	Kind    string   // of its key, one of pki.KeyKinds; "" is the first
	Days    int
	CRLURLs []string // where peers can fetch the authority's revocation list

	// Force replaces the certificate and the key that Name has. The old
	// certificate stays good until it is revoked.
	Force bool
}

// Issue makes a key and a certificate. It ends with its authority at the latest.
func (f *Folder) Issue(r Request) (*Entry, error) {
	t, err := r.template()
	if err != nil {
		return nil, err
	}
	unlock, err := f.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, ext := range []string{".crt", ".key"} {
		if file := f.file(r.Name + ext); exists(file) && !r.Force {
			return nil, fmt.Errorf("pki: %s is there already: write warren pki renew %s for a longer life, or --force for a new key and certificate", file, r.Name)
		}
	}
	ca, err := f.authority()
	if err != nil {
		return nil, err
	}
	return f.issue(ca, r.Name, t, r.Days)
}

// issue signs t and writes it, first to the list of what was issued.
func (f *Folder) issue(ca *pki.Authority, name string, t pki.Template, days int) (*Entry, error) {
	t.From, t.To = f.now.Add(-backdate), f.now.AddDate(0, 0, days)
	if t.To.After(f.ca.NotAfter) {
		t.To = f.ca.NotAfter
	}
	p, err := ca.Issue(t)
	if err != nil {
		return nil, err
	}
	if err := write(f.issuedFile(name, p.Cert), pki.CertPEM(p.Cert), public, false); err != nil {
		return nil, err
	}
	if err := f.writePair(name, p, true); err != nil {
		return nil, err
	}
	return f.Find(name)
}

// template is r without its times.
func (r Request) template() (pki.Template, error) {
	if !goodName(r.Name) {
		return pki.Template{}, fmt.Errorf("pki: %q cannot be the name of files: use letters, digits, dot, dash and underscore", r.Name)
	}
	if r.Name == authorityName {
		return pki.Template{}, fmt.Errorf("pki: %q is the authority itself: choose another name", r.Name)
	}
	t := pki.Template{Subject: cmp.Or(r.Subject, "CN="+r.Name), KeyKind: r.Kind, CRLURLs: r.CRLURLs}
	sans := r.SANs
	if len(sans) == 0 && strings.Contains(r.Name, ".") {
		sans = []string{r.Name}
	}
	for _, san := range sans {
		if err := addSAN(&t, san); err != nil {
			return t, err
		}
	}
	return t, nil
}

// addSAN adds a subject alternative name, whose type shows in its form.
func addSAN(t *pki.Template, san string) error {
	addr, err := netip.ParseAddr(san)
	switch {
	case err == nil && addr.Zone() == "":
		t.IPs = append(t.IPs, addr.Unmap())
	case !printable(san):
		return fmt.Errorf("pki: %q is no subject alternative name: write a domain name, an IP address or user@host", san)
	case strings.Contains(strings.TrimPrefix(san, "@"), "@"):
		t.Emails = append(t.Emails, san)
	default:
		t.DNS = append(t.DNS, strings.TrimPrefix(san, "@"))
	}
	return nil
}

// printable reports whether s is of visible ASCII characters, as the names of
// certificates are (RFC 5280, Section 4.2.1.6), and of none that shows that
// something else was meant.
func printable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("=,:/*", r) }) < 0
}

// goodName reports whether s may name files.
func goodName(s string) bool {
	odd := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("._-", r)
	}
	return s != "" && len(s) <= 64 && s[0] != '.' && s[0] != '-' && strings.IndexFunc(s, odd) < 0
}

// A Renewal says how a certificate is to go on.
type Renewal struct {
	Days int

	// NewKey makes another key, of Kind. Without it the key stays, and need not
	// be here.
	NewKey bool
	Kind   string
}

// Renew makes a certificate that says the same as the newest one of name, for
// longer. The old one stays good until it ends. The name of the authority renews
// that, with its key: all that it issued stays good.
func (f *Folder) Renew(name string, r Renewal) (*Entry, error) {
	unlock, err := f.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if name == authorityName {
		return f.renewAuthority(r)
	}
	ca, err := f.authority()
	if err != nil {
		return nil, err
	}
	old, err := f.Find(name)
	if err != nil {
		return nil, err
	}
	if old.State == Revoked {
		return nil, fmt.Errorf("pki: the certificate of %s was revoked on %s: make another with warren pki issue %s --force", name, old.RevokedAt.UTC().Format(time.DateOnly), name)
	}
	t, err := templateOf(old)
	if err != nil {
		return nil, err
	}
	if t.Public = old.cert.PublicKey; r.NewKey {
		t.Public, t.KeyKind = nil, r.Kind
	}
	return f.issue(ca, name, t, r.Days)
}

// templateOf is what says the same as e.
func templateOf(e *Entry) (pki.Template, error) {
	t := pki.Template{Subject: trust.Subject(e.cert), DNS: e.cert.DNSNames, Emails: e.cert.EmailAddresses, CRLURLs: e.cert.CRLDistributionPoints}
	for _, ip := range e.cert.IPAddresses {
		a, ok := netip.AddrFromSlice(ip)
		if !ok {
			return t, fmt.Errorf("pki: %s has an address that is none", e.Cert)
		}
		t.IPs = append(t.IPs, a.Unmap())
	}
	return t, nil
}

// renewAuthority signs the authority's own certificate anew.
func (f *Folder) renewAuthority(r Renewal) (*Entry, error) {
	if r.NewKey {
		return nil, errors.New("pki: with another key it would be another authority: make that with warren pki init, as another --layer or with --force")
	}
	last := *f.ca
	f.ca.NotAfter = f.now.AddDate(0, 0, r.Days) // it may have expired
	ca, err := f.authority()
	if err != nil {
		return nil, err
	}
	ca, err = pki.NewAuthority(pki.Template{Subject: trust.Subject(&last), Key: ca.Key, From: f.now.Add(-backdate), To: f.ca.NotAfter})
	if err != nil {
		return nil, err
	}
	if err := write(f.file(authorityName+".crt"), pki.CertPEM(ca.Cert), public, true); err != nil {
		return nil, err
	}
	f.ca = ca.Cert
	return f.Authority(), nil
}
