package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/ike/sign"
	"warren/ike/trust"
	"warren/pki/folder"
)

// A pkiReport is what the verbs of pki print with -o json.
type pkiReport struct {
	Layer        string         `json:"layer"`
	Authority    *folder.Entry  `json:"authority,omitempty"`
	CRL          *crlReport     `json:"crl,omitempty"`
	Certificates []folder.Entry `json:"certificates"`
	Config       string         `json:"config,omitempty"`      // what to write into configurations
	MovedTo      string         `json:"moved_to,omitempty"`    // where init --force moved the old authority
	PrivateKey   string         `json:"private_key,omitempty"` // its kind
}

// A crlReport is a revocation list as people see it.
type crlReport struct {
	File       string    `json:"file"`
	Issuer     string    `json:"issuer"`
	Number     string    `json:"number"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Revoked    []string  `json:"revoked"` // serial numbers
}

func describeCRL(l *x509.RevocationList, path string) *crlReport {
	r := &crlReport{File: path, Issuer: trust.ListIssuer(l), ThisUpdate: l.ThisUpdate.UTC(), NextUpdate: l.NextUpdate.UTC(), Revoked: []string{}}
	if l.Number != nil {
		r.Number = l.Number.String()
	}
	for _, e := range l.RevokedCertificateEntries {
		r.Revoked = append(r.Revoked, fmt.Sprintf("%x", e.SerialNumber))
	}
	return r
}

func (r *crlReport) String() string {
	return fmt.Sprintf("%s: number %s of %s, good until %s, %s", r.File, dash(r.Number), r.Issuer,
		date(r.NextUpdate), plural(len(r.Revoked), "certificate revoked", "certificates revoked"))
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (a *app) printAuthority(layer string, f *folder.Folder, aside string) error {
	e := f.Authority()
	if a.json() {
		return a.printJSON(pkiReport{Layer: layer, Authority: e, Certificates: []folder.Entry{}, MovedTo: aside})
	}
	if aside != "" {
		a.printf("the authority that was there is in %s now\n", aside)
	}
	a.printf("%s: %s, %s, good until %s\n", layer, e.Subject, e.Key, date(e.NotAfter))
	a.printf("  %s  stays here, where nobody else is\n", e.KeyFile)
	a.printf("  %s  for every node of the layer\n", e.Cert)
	a.printf("  %s  the same, anew at least every %d days: warren pki crl\n", f.CRLFile(), folder.DefaultCRLDays)
	a.printf("next: warren pki issue NAME --layer %s\n", layer)
	return nil
}

func (a *app) printIssued(layer string, f *folder.Folder, e *folder.Entry) error {
	text := ""
	if e.Name != "ca" {
		text = snippet(layer, f, e)
	}
	if a.json() {
		return a.printJSON(pkiReport{Layer: layer, Certificates: []folder.Entry{*e}, Config: text})
	}
	a.printf("%s: %s, good until %s (%s)\n", e.Name, e.Key, date(e.NotAfter), plural(e.DaysLeft, "day", "days"))
	a.printf("  %s\n", e.Cert)
	if e.KeyFile != "" {
		a.printf("  %s\n", e.KeyFile)
	}
	a.printf("%s", text)
	return nil
}

// snippet is what e means to configurations: the one of who has it, and those of
// its peers.
func snippet(layer string, f *folder.Folder, e *folder.Entry) string {
	file := func(path string) string {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return yamlText(path)
	}
	id := yamlText(e.IDs()[0])
	key := e.KeyFile
	if key == "" {
		key = e.Name + ".key"
	}
	return fmt.Sprintf(`
# in its own configuration
identities:
  %s: {id: %s, cert: %s, key: %s, ca: %s, crl: %s}

# in that of a peer that reaches out to it
peers:
  %s: {address: ADDRESS, id: %s, identity: %s}

# in that of a peer that lets it in
accept:
  - {name: %s, identity: %s, ids: [%s]}
`, layer, id, file(e.Cert), file(key), file(f.Authority().Cert), file(f.CRLFile()), e.Name, id, layer, e.Name, layer, id)
}

// yamlText is s as YAML, in quotes where it needs them.
func yamlText(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return strings.ContainsRune(" :=,@*[]{}#&!|>'\"%`\\", r) || r > '~' }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

func (a *app) printRevoked(f *folder.Folder, name string, hit []folder.Entry) error {
	l, err := f.CRL()
	if err != nil {
		return err
	}
	r := describeCRL(l, f.CRLFile())
	if a.json() {
		return a.printJSON(pkiReport{Layer: filepath.Base(f.Path()), CRL: r, Certificates: append([]folder.Entry{}, hit...)})
	}
	for _, e := range hit {
		a.printf("revoked %s, serial %s, which was good until %s\n", e.Name, e.Serial, date(e.NotAfter))
	}
	if name != "" && len(hit) == 0 {
		a.printf("%s was revoked already, or has expired: the list stays as it is\n", name)
	}
	a.printf("%v\n", r)
	a.printf("next: copy it to every node of the layer, and run warren reload there\n")
	return nil
}

func (a *app) pkiListCommand(p *pkiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what the authorities have issued",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			layers := []string{p.layer}
			if p.layer == "" {
				var err error
				if layers, err = p.layers(); err != nil {
					return err
				}
			}
			reports := []pkiReport{}
			for _, layer := range layers {
				r, err := pkiList(filepath.Join(p.dir, layer), layer)
				if err != nil {
					return err
				}
				reports = append(reports, r)
			}
			if a.json() {
				return a.printJSON(reports)
			}
			return a.printLists(reports)
		},
	}
}

func pkiList(path, layer string) (pkiReport, error) {
	f, err := folder.Open(path, time.Now())
	if err != nil {
		return pkiReport{}, err
	}
	r := pkiReport{Layer: layer, Authority: f.Authority()}
	l, err := f.CRL()
	if err == nil {
		r.CRL = describeCRL(l, f.CRLFile())
	} else if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	r.Certificates, err = f.List()
	return r, err
}

func (a *app) printLists(reports []pkiReport) error {
	rows := [][]string{{"LAYER", "NAME", "STATE", "ID", "KEY", "UNTIL", "DAYS", "SERIAL"}}
	for _, r := range reports {
		for _, e := range append([]folder.Entry{*r.Authority}, r.Certificates...) {
			id := e.Subject
			if len(e.SANs) > 0 {
				id = e.SANs[0]
			}
			rows = append(rows, []string{r.Layer, e.Name, string(e.State), id, e.Key, date(e.NotAfter), strconv.Itoa(e.DaysLeft), e.Serial})
		}
	}
	if err := a.table(rows); err != nil {
		return err
	}
	for _, r := range reports {
		if r.CRL == nil {
			a.printf("%s has no revocation list: warren pki crl --force --layer %s\n", r.Layer, r.Layer)
			continue
		}
		a.printf("%v\n", r.CRL)
	}
	return nil
}

func (a *app) pkiShowCommand(p *pkiFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME|FILE",
		Short: "Show a certificate of a layer, or what is in a file",
		Args:  exactly("NAME|FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := p.look(args[0])
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(r)
			}
			return a.printLook(r)
		},
	}
}

// look finds out what arg is: a file, or a name of the layer.
func (p *pkiFlags) look(arg string) (pkiReport, error) {
	data, err := os.ReadFile(arg)
	if err != nil {
		return p.lookUp(arg)
	}
	defer clear(data)
	r := pkiReport{Certificates: []folder.Entry{}}
	certs, err := trust.ParseCertificates(data)
	for _, c := range certs {
		r.Certificates = append(r.Certificates, folder.Describe(c, arg, time.Now()))
	}
	if err == nil {
		return r, nil
	}
	if l, err := trust.ParseCRL(data); err == nil {
		r.CRL = describeCRL(l, arg)
		return r, nil
	}
	key, err := trust.ParseKey(data)
	if err != nil {
		return r, fmt.Errorf("%s holds no certificate, revocation list or private key that is understood: %w", arg, err)
	}
	r.PrivateKey = sign.KeyName(key.Public())
	return r, nil
}

func (p *pkiFlags) lookUp(name string) (pkiReport, error) {
	f, err := p.open(time.Now())
	if err != nil {
		return pkiReport{}, err
	}
	e, err := f.Find(name)
	if err != nil {
		return pkiReport{}, err
	}
	r := pkiReport{Layer: p.layer, Certificates: []folder.Entry{*e}}
	if name != "ca" {
		r.Config = snippet(p.layer, f, e)
	}
	return r, nil
}

func (a *app) printLook(r pkiReport) error {
	if r.PrivateKey != "" {
		a.printf("a private key, %s\n", r.PrivateKey)
	}
	if r.CRL != nil {
		a.printf("%v\n", r.CRL)
		for _, serial := range r.CRL.Revoked {
			a.printf("  %s\n", serial)
		}
	}
	for _, e := range r.Certificates {
		state := string(e.State)
		if e.State == folder.Revoked {
			state += " on " + date(e.RevokedAt)
		}
		rows := [][]string{{"subject", e.Subject}, {"issuer", e.Issuer}, {"proves", list(e.IDs())}, {"state", state},
			{"from", e.NotBefore.Format(time.RFC3339)}, {"until", fmt.Sprintf("%s (%d days)", e.NotAfter.Format(time.RFC3339), e.DaysLeft)},
			{"key", e.Key}, {"serial", e.Serial}, {"file", e.Cert}, {"key file", e.KeyFile}}
		if err := a.table(rows); err != nil {
			return err
		}
	}
	a.printf("%s", r.Config)
	return nil
}
