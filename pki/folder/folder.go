package folder

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"warren/ike/trust"
	"warren/pki"
)

// authorityName is what the authority's own files are called.
const authorityName = "ca"

// backdate is how much earlier a certificate begins than it was made, for peers
// whose clocks are behind.
const backdate = time.Hour

// A Folder is an authority in a folder. It is for one goroutine; other processes
// may use the same folder.
type Folder struct {
	path string
	ca   *x509.Certificate
	now  time.Time
}

// A Plan says what an authority is to be.
type Plan struct {
	Subject string
	Kind    string // one of pki.KeyKinds; "" is the first
	Days    int

	// Force moves an authority that is there already aside, with all that it
	// issued.
	Force bool
}

// Create makes an authority in the folder path, with an empty revocation list. It
// returns where an older one was moved to, if it was.
func Create(path string, p Plan, now time.Time) (f *Folder, aside string, err error) {
	if exists(filepath.Join(path, authorityName+".crt")) || exists(filepath.Join(path, authorityName+".key")) {
		if !p.Force {
			return nil, "", fmt.Errorf("pki: %s has an authority already: name another --layer, or write --force to move it aside and begin anew", path)
		}
		aside = path + "." + now.UTC().Format("20060102-150405")
		if err := os.Rename(path, aside); err != nil {
			return nil, "", fmt.Errorf("pki: %w", err)
		}
	}
	ca, err := pki.NewAuthority(pki.Template{
		Subject: p.Subject, KeyKind: p.Kind, From: now.Add(-backdate), To: now.AddDate(0, 0, p.Days),
	})
	if err != nil {
		return nil, aside, err
	}
	if err := os.MkdirAll(filepath.Join(path, issuedDir), 0o700); err != nil {
		return nil, aside, fmt.Errorf("pki: %w", err)
	}
	f = &Folder{path: path, ca: ca.Cert, now: now.Truncate(time.Second)}
	unlock, err := f.lock()
	if err != nil {
		return nil, aside, err
	}
	defer unlock()
	if err := f.writePair(authorityName, &ca.Pair, false); err != nil {
		return nil, aside, err
	}
	return f, aside, f.writeCRL(ca, &x509.RevocationList{}, DefaultCRLDays)
}

// Open reads the authority in the folder path. Its key is read when it is used.
func Open(path string, now time.Time) (*Folder, error) {
	f := &Folder{path: path, now: now.Truncate(time.Second)} // as certificates count
	data, err := read(f.file(authorityName+".crt"), "make an authority with: warren pki init")
	if err != nil {
		return nil, err
	}
	certs, err := trust.ParseCertificates(data)
	if err != nil || !certs[0].IsCA {
		return nil, fmt.Errorf("pki: %s holds no authority: %v", f.file(authorityName+".crt"), err)
	}
	f.ca = certs[0]
	return f, nil
}

// Path is the folder.
func (f *Folder) Path() string { return f.path }

// Certificate is the authority's.
func (f *Folder) Certificate() *x509.Certificate { return f.ca }

func (f *Folder) file(name string) string { return filepath.Join(f.path, name) }

// authority is the authority with its key.
func (f *Folder) authority() (*pki.Authority, error) {
	path := f.file(authorityName + ".key")
	data, err := read(path, "without the authority's key nothing can be signed; bring it back")
	if err != nil {
		return nil, err
	}
	defer clear(data)
	key, err := trust.ParseKey(data)
	if err != nil {
		return nil, fmt.Errorf("pki: %s: %w", path, err)
	}
	if _, err := trust.NewCredential([]*x509.Certificate{f.ca}, key); errors.Is(err, trust.ErrMismatch) {
		return nil, fmt.Errorf("pki: %s is not the key of %s: bring the right one back", path, f.file(authorityName+".crt"))
	}
	if !f.now.Before(f.ca.NotAfter) {
		return nil, fmt.Errorf("pki: the authority in %s has expired on %s: renew it with: warren pki renew ca", f.path, f.ca.NotAfter.UTC().Format(time.DateOnly))
	}
	return &pki.Authority{Pair: pki.Pair{Cert: f.ca, Key: key}}, nil
}

// writePair writes a certificate and, where it is known, its key: the key first,
// so that a certificate that is there can be used.
func (f *Folder) writePair(name string, p *pki.Pair, replace bool) error {
	if p.Key != nil {
		data, err := pki.KeyPEM(p.Key)
		if err != nil {
			return err
		}
		defer clear(data)
		if err := write(f.file(name+".key"), data, secret, replace); err != nil {
			return err
		}
	}
	return write(f.file(name+".crt"), pki.CertPEM(p.Cert), public, replace)
}
