package folder

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"strings"

	"warren/ike/trust"
	"warren/pki"
)

// DefaultCRLDays is how long a revocation list is good for if nothing is said.
const DefaultCRLDays = 30

// Revoke puts all certificates of name that are not expired on the revocation
// list, or the one whose serial number it is, and returns them. It returns none
// where all were on it already.
func (f *Folder) Revoke(name string, days int) ([]Entry, error) {
	unlock, err := f.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	ca, err := f.authority()
	if err != nil {
		return nil, err
	}
	list, err := f.CRL()
	if err != nil {
		return nil, err
	}
	all, err := f.List()
	if err != nil {
		return nil, err
	}
	var hit []Entry
	known := false
	for _, e := range all {
		if e.Name != name && !strings.EqualFold(e.Serial, strings.TrimPrefix(name, "0x")) {
			continue
		}
		if known = true; e.State == Revoked || e.State == Expired {
			continue
		}
		e.State, e.RevokedAt = Revoked, f.now
		hit = append(hit, e)
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: e.cert.SerialNumber, RevocationTime: f.now})
	}
	switch {
	case !known:
		return nil, f.unknown(name, all)
	case len(hit) == 0:
		return nil, nil
	}
	return hit, f.writeCRL(ca, list, days)
}

// RenewCRL signs the revocation list anew, for so many days. Where it is lost, an
// empty one is begun only if that is said: what was revoked would be good again.
func (f *Folder) RenewCRL(days int, anew bool) error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	ca, err := f.authority()
	if err != nil {
		return err
	}
	list, err := f.CRL()
	if errors.Is(err, fs.ErrNotExist) && anew {
		list, err = &x509.RevocationList{Number: big.NewInt(f.now.Unix())}, nil // greater than any before
	}
	if err != nil {
		return err
	}
	return f.writeCRL(ca, list, days)
}

// CRL is the authority's revocation list.
func (f *Folder) CRL() (*x509.RevocationList, error) {
	path := f.CRLFile()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pki: %s is lost, and with it what was revoked: bring it back, or begin an empty one with warren pki crl --force: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	l, err := trust.ParseCRL(data)
	if err == nil {
		err = l.CheckSignatureFrom(f.ca)
	}
	if err != nil {
		return nil, fmt.Errorf("pki: %s is not the authority's: bring the right one back, or move it away: %w", path, err)
	}
	return l, nil
}

// CRLFile is where the revocation list is.
func (f *Folder) CRLFile() string { return f.file(authorityName + ".crl") }

// writeCRL signs and writes the successor of list.
func (f *Folder) writeCRL(ca *pki.Authority, list *x509.RevocationList, days int) error {
	number := big.NewInt(1)
	if list.Number != nil {
		number.Add(number, list.Number)
	}
	der, err := ca.CRL(pki.CRL{From: f.now, To: f.now.AddDate(0, 0, days), Change: func(l *x509.RevocationList) {
		l.Number, l.RevokedCertificateEntries = number, list.RevokedCertificateEntries
	}})
	if err != nil {
		return err
	}
	return write(f.CRLFile(), pki.CRLPEM(der), public, true)
}
