package config

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/trust"
	"warren/pki"
)

// certNow is when the certificates below are judged.
var certNow = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// writeCerts puts a configuration into a folder with every certificate and key
// that the tests name.
func writeCerts(t testing.TB, text string) string {
	t.Helper()
	path := write(t, text)
	from := certNow.AddDate(0, -6, 0)
	root, err := pki.NewAuthority(pki.Template{Subject: "CN=root", MaxPath: 1, From: from, To: from.AddDate(9, 0, 0)})
	check(t, err)
	sub, err := root.Authority(pki.Template{Subject: "CN=sub", From: from, To: from.AddDate(9, 0, 0)})
	check(t, err)
	issue := func(tmpl pki.Template) *pki.Pair {
		tmpl.Subject, tmpl.DNS = "CN=alice", []string{"alice.example"}
		p, err := sub.Issue(tmpl)
		check(t, err)
		return p
	}
	alice := issue(pki.Template{From: from, To: from.AddDate(1, 0, 0)})
	expired := issue(pki.Template{From: from, To: certNow.AddDate(0, 0, -1), Key: alice.Key})
	soon := issue(pki.Template{From: from, To: certNow.AddDate(0, 0, 7), Key: alice.Key})
	early := issue(pki.Template{From: certNow.AddDate(0, 0, 1), To: certNow.AddDate(1, 0, 1), Key: alice.Key})
	code := issue(pki.Template{From: from, Key: alice.Key, Change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }})
	other, err := pki.NewKey("ed25519")
	check(t, err)
	aliceKey, err := pki.KeyPEM(alice.Key)
	check(t, err)
	otherKey, err := pki.KeyPEM(other)
	check(t, err)
	crl, err := root.CRL(pki.CRL{Revoked: []*big.Int{big.NewInt(1)}, From: from, To: certNow.AddDate(0, 1, 0)})
	check(t, err)
	stale, err := root.CRL(pki.CRL{From: from, To: certNow.AddDate(0, -1, 0)})
	check(t, err)
	impostor, err := pki.NewAuthority(pki.Template{Subject: "CN=root", From: from})
	check(t, err)
	forged, err := impostor.CRL(pki.CRL{From: from, To: certNow.AddDate(0, 1, 0)})
	check(t, err)
	for name, body := range map[string][]byte{
		"alice.crt": pki.CertPEM(alice.Cert, sub.Cert), "alice.key": aliceKey, "other.key": otherKey, "alice.der": alice.Cert.Raw,
		"root.crt": pki.CertPEM(root.Cert), "sub.crt": pki.CertPEM(sub.Cert), "expired.crt": pki.CertPEM(expired.Cert),
		"soon.crt": pki.CertPEM(soon.Cert), "early.crt": pki.CertPEM(early.Cert), "code.crt": pki.CertPEM(code.Cert),
		"root.crl": pki.CRLPEM(crl), "root.crl.der": crl, "stale.crl": pki.CRLPEM(stale), "forged.crl": pki.CRLPEM(forged),
		"locked.key": []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
		"broken.key": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
	} {
		check(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), body, 0o600))
	}
	return path
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// withCerts is good with an identity that has certificates for both sides.
func withCerts(t *testing.T) string {
	text := edit(t, "psk_file: outer.psk}", "cert: alice.crt, key: alice.key, ca: [root.crt], crl: root.crl, revocation: strict}")
	return strings.Replace(text, ", secrets_file: clients.psk", "", 1)
}

func TestCertificates(t *testing.T) {
	c, err := LoadWith(writeCerts(t, withCerts(t)), Options{Now: certNow})
	check(t, err)
	id := c.Identities[0]
	if len(c.Warnings) != 0 {
		t.Errorf("warnings: %s", c.Warnings.Detail())
	}
	if id.Cert == nil || len(id.Chain) != 2 || id.Trust == nil || !id.HasCert() || !id.HasCA() {
		t.Fatalf("%+v", id)
	}
	if len(id.Trust.Anchors) != 1 || len(id.Trust.CRLs) != 1 || id.Trust.Revocation != trust.Strict {
		t.Errorf("trust: %+v", id.Trust)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", id.Cert, id.Cert, *id.Cert, id.Cert); shown != strings.Repeat("certificate of CN=alice ", 3)+"certificate of CN=alice" {
		t.Errorf("it shows itself as %s", shown)
	}
	if _, err := LoadWith(writeCerts(t, withCerts(t)), Options{Now: certNow, NoSecrets: true}); err != nil {
		t.Errorf("without secrets: %v", err)
	}
}

// TestCertificateProblems has one mistake each, with its place and the way out.
func TestCertificateProblems(t *testing.T) {
	tests := map[string]struct{ old, new, message, fix string }{
		"no file":          {"alice.crt", "none.crt", "none.crt: cannot read it: no such file", "in PEM or DER"},
		"no certificate":   {"alice.crt", "alice.key", "there is no certificate in it", "in PEM or DER"},
		"no key file":      {"alice.key", "none.key", "none.key: cannot read it", "put the private key there"},
		"key of another":   {"alice.key", "other.key", "the private key is not that of the certificate: the certificate is of CN=alice", "issued for"},
		"key encrypted":    {"alice.key", "locked.key", "the private key is encrypted", "unencrypted"},
		"key broken":       {"alice.key", "broken.key", "the private key is malformed", "PEM"},
		"no key in it":     {"alice.key", "alice.crt", "there is no private key in it", "PEM"},
		"cert without key": {", key: alice.key", "", "has a certificate and no key", "add key: FILE"},
		"key without cert": {"cert: alice.crt, ", "psk_file: outer.psk, ", "has a key and no certificate", "add cert: FILE"},
		"another id":       {"id: alice.example", "id: mallory.example", "is mallory.example, which", "write one of these as id"},
		"subject as name":  {"id: alice.example", `id: "CN=Alice"`, "it is for alice.example; CN=alice", "write one of these as id"},
		"for code":         {"alice.crt", "code.crt", "extended key usage", "another key"},
		"no such ca":       {"root.crt", "none.crt", "ca of identity outer", "in PEM or DER"},
		"no such crl":      {"root.crl", "none.crl", "none.crl: cannot read it", "revocation list"},
		"crl is none":      {"root.crl", "root.crt", "no revocation list in it", "revocation list"},
		"crl by URL":       {"crl: root.crl", `crl: "http://crl.example/"`, "is a URL", "by themselves"},
		"revocation":       {"strict", "harsh", `"harsh"`, "soft"},
		"crl without ca":   {"ca: [root.crt]", "psk_file: outer.psk", "has no ca", "add ca"},
		"psk of a peer":    {"encap: auto", "psk_file: outer.psk", "both sides use certificates", "delete psk"},
		"keyid of a peer":  {"id: sg1.example", "id: keyid:box", "no certificate is for keyid:box", "write a name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := withCerts(t)
			if !strings.Contains(text, tt.old) {
				t.Fatalf("%q is not in it", tt.old)
			}
			_, problems := Check(writeCerts(t, strings.Replace(text, tt.old, tt.new, 1)), Options{Now: certNow})
			errs := problems.Errors()
			i := slices.IndexFunc(errs, func(p Problem) bool { return strings.Contains(p.Message, tt.message) })
			if i < 0 {
				t.Fatalf("nothing says %q:\n%s", tt.message, problems.Detail())
			}
			if !strings.Contains(errs[i].Fix, tt.fix) || errs[i].Line == 0 {
				t.Errorf("the way out is %q on line %d, want %q", errs[i].Fix, errs[i].Line, tt.fix)
			}
		})
	}
}

// TestOneSided has certificates for one side only.
func TestOneSided(t *testing.T) {
	for name, tt := range map[string]struct {
		identity, want string
		psk            bool
	}{
		"own certificate":        {"cert: alice.crt, key: alice.key, psk_file: outer.psk", "", true},
		"peers' certificates":    {"psk_file: outer.psk, ca: root.crt", "", true},
		"nothing for peers":      {"cert: alice.crt, key: alice.key", "neither ca nor a secret", false},
		"nothing for this side":  {"ca: root.crt", "has no secret", false},
		"both, and a spare psk":  {"cert: alice.crt, key: alice.key, ca: root.crt, psk_file: outer.psk", "", true},
		"subject as id in C, CN": {`cert: alice.der, key: alice.key, ca: root.crt`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(edit(t, "psk_file: outer.psk}", tt.identity+"}"), ", secrets_file: clients.psk", "", 1)
			c, problems := Check(writeCerts(t, text), Options{Now: certNow})
			if tt.want != "" {
				if !strings.Contains(problems.Detail(), tt.want) {
					t.Errorf("nothing says %q:\n%s", tt.want, problems.Detail())
				}
				return
			}
			check(t, problems.err())
			if got := len(c.Peers[0].PSK) > 0; got != tt.psk {
				t.Errorf("the peer's psk is there: %v", got)
			}
		})
	}
}

func TestCertificateWarnings(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, want string }{
		"expired":       {"alice.crt", "expired.crt", "has expired on 2026-05-31"},
		"expires soon":  {"alice.crt", "soon.crt", "expires in 7 days"},
		"not yet valid": {"alice.crt", "early.crt", "is not valid before 2026-06-02"},
		"stale crl":     {"root.crl", "stale.crl", "has expired on 2026-05-01"},
		"forged crl":    {"root.crl", "forged.crl", "is not signed by the authority"},
		"crl in DER":    {"root.crl", "root.crl.der", ""},
		"ca below root": {"root.crt", "sub.crt", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := LoadWith(writeCerts(t, strings.Replace(withCerts(t), tt.old, tt.new, 1)), Options{Now: certNow})
			check(t, err)
			if text := c.Warnings.Detail(); !strings.Contains(text, tt.want) || tt.want == "" && text != "" {
				t.Errorf("nothing says %q:\n%s", tt.want, text)
			}
		})
	}
}

// TestKeyMode: a private key that others can read is refused.
func TestKeyMode(t *testing.T) {
	path := writeCerts(t, withCerts(t))
	key := filepath.Join(filepath.Dir(path), "alice.key")
	check(t, os.Chmod(key, 0o640))
	_, problems := Check(path, Options{Now: certNow})
	if text := problems.Detail(); !strings.Contains(text, "chmod 600 "+key) || len(problems.Errors()) != 1 {
		t.Errorf("%s", text)
	}
}
