package folder

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/pki"
)

// TestOtherTools has OpenSSL and strongSwan judge authorities, certificates, keys
// and revocation lists of every kind.
func TestOtherTools(t *testing.T) {
	for _, kind := range pki.KeyKinds() {
		if kind == "rsa-4096" {
			continue // comes with the other RSA keys, as it takes its time
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f, _, err := Create(filepath.Join(t.TempDir(), "outer"), Plan{Subject: "C=CH, O=Example, CN=outer CA", Kind: kind, Days: 30}, time.Now())
			check(t, err)
			if kind == "rsa-3072" {
				kind = "rsa-4096"
			}
			request := Request{Name: "alice", Kind: kind, Days: 30, SANs: []string{"alice.example", "192.0.2.1", "2001:db8::1", "a@b.example"}}
			_, err = f.Issue(request)
			check(t, err)
			openssl(t, f)
			strongswan(t, f)
			_, err = f.Revoke("alice", 1)
			check(t, err)
			revokedEverywhere(t, f)
		})
	}
}

// openssl checks what is good so far.
func openssl(t *testing.T, f *Folder) {
	t.Helper()
	run(t, "OK", "openssl", "verify", "-x509_strict", "-CAfile", f.file("ca.crt"), "-crl_check", "-CRLfile", f.CRLFile(), f.file("alice.crt"))
	run(t, "self-signed", "sh", "-c", `openssl verify -x509_strict "$1" 2>&1 || true`, "sh", f.file("ca.crt"))
	run(t, "verify OK", "sh", "-c", `openssl crl -in "$1" -CAfile "$2" -noout 2>&1`, "sh", f.CRLFile(), f.file("ca.crt"))
	for _, name := range []string{"ca", "alice"} {
		own := run(t, "BEGIN PUBLIC KEY", "openssl", "pkey", "-in", f.file(name+".key"), "-pubout")
		if certs := run(t, "", "openssl", "x509", "-in", f.file(name+".crt"), "-noout", "-pubkey"); certs != own {
			t.Errorf("the key of %s is\n%s, its certificate's\n%s", name, own, certs)
		}
	}
	sans := run(t, "DNS:alice.example", "openssl", "x509", "-in", f.file("alice.crt"), "-noout", "-ext", "subjectAltName")
	for _, want := range []string{"IP Address:192.0.2.1", "IP Address:2001:DB8", "email:a@b.example"} {
		if !strings.Contains(sans, want) {
			t.Errorf("names are %s, want %s", sans, want)
		}
	}
}

func strongswan(t *testing.T, f *Folder) {
	t.Helper()
	run(t, "certificate not revoked", "pki", "--verify", "--in", f.file("alice.crt"), "--cacert", f.file("ca.crt"), "--crl", f.CRLFile())
	run(t, `"C=CH, O=Example, CN=outer CA"`, "pki", "--print", "--type", "crl", "--in", f.CRLFile())
	run(t, "flags:     CA CRLSign self-signed", "pki", "--print", "--in", f.file("ca.crt"))
	keyID := func(kind, file string) string { return run(t, "", "pki", "--keyid", "--type", kind, "--in", file) }
	if own, certs := keyID("priv", f.file("alice.key")), keyID("x509", f.file("alice.crt")); own != certs {
		t.Errorf("the key is %s, its certificate's %s", own, certs)
	}
}

func revokedEverywhere(t *testing.T, f *Folder) {
	t.Helper()
	run(t, "certificate revoked", "sh", "-c", `openssl verify -crl_check -CAfile "$1" -CRLfile "$2" "$3" 2>&1 || true`, "sh", f.file("ca.crt"), f.CRLFile(), f.file("alice.crt"))
	run(t, "certificate was revoked", "sh", "-c", `pki --verify --in "$3" --cacert "$1" --crl "$2" 2>&1 || true`, "sh", f.file("ca.crt"), f.CRLFile(), f.file("alice.crt"))
}

// run is a tool's standard output, in which want must be.
func run(t *testing.T, want string, args ...string) string {
	t.Helper()
	for _, tool := range []string{"openssl", "pki"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("CI") != "" {
			t.Fatalf("CI must run this, and it needs %s", tool)
		} else if err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	c := exec.Command(args[0], args[1:]...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s: %v\n%s%s\nwant %q", strings.Join(args, " "), err, out, &errs, want)
	}
	return string(out)
}
