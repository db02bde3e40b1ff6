package folder

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"warren/ike/trust"
)

const issuedDir = "issued"

// A State is what a certificate is worth.
type State string

// The states.
const (
	Good    State = "good"
	Renewed State = "renewed" // good, but not the newest of its name
	Expired State = "expired"
	Revoked State = "revoked"
)

// An Entry is a certificate as people see it.
type Entry struct {
	Name      string    `json:"name"`
	State     State     `json:"state"`
	Serial    string    `json:"serial"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	SANs      []string  `json:"sans"`
	Key       string    `json:"key_type"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	DaysLeft  int       `json:"days_left"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Cert      string    `json:"cert"`     // its file
	KeyFile   string    `json:"key_file"` // empty where the key is not here

	cert *x509.Certificate
}

// IDs are the identities that the certificate proves, as a configuration writes
// them, the best one first.
func (e *Entry) IDs() []string { return append(slices.Clone(e.SANs), e.Subject) }

// Describe is c, from the file path, at now.
func Describe(c *x509.Certificate, path string, now time.Time) Entry {
	e := Entry{
		State: Good, Serial: fmt.Sprintf("%x", c.SerialNumber), Subject: trust.Subject(c), Issuer: trust.Issuer(c),
		SANs: trust.AltNames(c), Key: trust.KeyKind(c), Cert: path,
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), DaysLeft: trust.TermOf(c).DaysLeft(now), cert: c,
	}
	if !now.Before(c.NotAfter) {
		e.State = Expired
	}
	return e
}

// Authority is the authority's own certificate.
func (f *Folder) Authority() *Entry {
	e := Describe(f.ca, f.file(authorityName+".crt"), f.now)
	e.Name, e.KeyFile = authorityName, f.keyFile(authorityName)
	return &e
}

// keyFile is where the key of name is; empty where it is not here.
func (f *Folder) keyFile(name string) string {
	if path := f.file(name + ".key"); exists(path) {
		return path
	}
	return ""
}

// issuedFile is where a certificate is kept.
func (f *Folder) issuedFile(name string, c *x509.Certificate) string {
	return filepath.Join(f.path, issuedDir, fmt.Sprintf("%s.%x.crt", name, c.SerialNumber))
}

// List is every certificate that was issued, by name, the newest first.
func (f *Folder) List() ([]Entry, error) {
	revoked, err := f.revoked()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(f.path, issuedDir, "*.crt"))
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	list := []Entry{}
	for _, path := range files {
		c, err := readCert(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(path), ".crt")
		e := Describe(c, path, f.now)
		e.Name = strings.TrimSuffix(name, filepath.Ext(name))
		if at, ok := revoked[e.Serial]; ok {
			e.State, e.RevokedAt = Revoked, at.UTC()
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), b.NotBefore.Compare(a.NotBefore), strings.Compare(a.Serial, b.Serial))
	})
	f.markNewest(list)
	return list, nil
}

// markNewest tells the newest certificate of each name from those before it. It
// is the one in the files of that name or, where those are elsewhere, the one that
// was made last.
func (f *Folder) markNewest(list []Entry) {
	for i := 0; i < len(list); {
		name, end := list[i].Name, i
		for end < len(list) && list[end].Name == name {
			end++
		}
		newest, err := readCert(f.file(name + ".crt"))
		at := slices.IndexFunc(list[i:end], func(e Entry) bool { return err == nil && e.cert.Equal(newest) })
		for k := range list[i:end] {
			switch e := &list[i+k]; {
			case k == at:
				e.Cert, e.KeyFile = f.file(name+".crt"), f.keyFile(name)
			case k != max(at, 0) && e.State == Good:
				e.State = Renewed
			}
		}
		i = end
	}
}

// revoked is when each serial number was revoked. Without a list none is known to
// be.
func (f *Folder) revoked() (map[string]time.Time, error) {
	l, err := f.CRL()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	at := make(map[string]time.Time)
	for _, r := range l.RevokedCertificateEntries {
		at[fmt.Sprintf("%x", r.SerialNumber)] = r.RevocationTime
	}
	return at, nil
}

func readCert(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	certs, err := trust.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w", path, err)
	}
	return certs[0], nil
}

// Find is the newest certificate of name, or the authority's.
func (f *Folder) Find(name string) (*Entry, error) {
	if name == authorityName {
		return f.Authority(), nil
	}
	all, err := f.List()
	if err != nil {
		return nil, err
	}
	var first *Entry
	for i, e := range all {
		switch {
		case e.Name != name:
		case e.Cert == f.file(name+".crt"):
			return &e, nil
		case first == nil:
			first = &all[i]
		}
	}
	if first == nil {
		return nil, f.unknown(name, all)
	}
	return first, nil
}

func (f *Folder) unknown(name string, all []Entry) error {
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	if names = slices.Compact(names); len(names) == 0 {
		return fmt.Errorf("pki: %s has issued nothing yet: begin with warren pki issue %s", f.path, name)
	}
	return fmt.Errorf("pki: %s has issued nothing for %q; there is %s", f.path, name, strings.Join(names, ", "))
}
