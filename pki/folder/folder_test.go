package folder

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// day is when the authorities of the tests are made.
var day = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// create makes an authority in a folder of its own.
func create(t *testing.T, p Plan) *Folder {
	t.Helper()
	if p.Subject == "" {
		p.Subject = "C=CH, CN=outer CA"
	}
	if p.Days == 0 {
		p.Days = 3650
	}
	f, _, err := Create(filepath.Join(t.TempDir(), "pki", "outer"), p, day)
	check(t, err)
	return f
}

// at is the same folder at another time.
func at(t *testing.T, f *Folder, now time.Time) *Folder {
	t.Helper()
	again, err := Open(f.path, now)
	check(t, err)
	return again
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func issue(t *testing.T, f *Folder, name string) *Entry {
	t.Helper()
	e, err := f.Issue(Request{Name: name, Days: 365})
	check(t, err)
	return e
}

// states lists "NAME STATE".
func states(t *testing.T, f *Folder) []string {
	t.Helper()
	all, err := f.List()
	check(t, err)
	var out []string
	for _, e := range all {
		out = append(out, e.Name+" "+string(e.State))
	}
	return out
}

func wantStates(t *testing.T, f *Folder, want ...string) {
	t.Helper()
	if got := states(t, f); !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
}

// wantErr wants every word in the text of err.
func wantErr(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error is %v, want %q in it", err, w)
		}
	}
}

// snapshot is all files of a folder with their modes and contents.
func snapshot(t *testing.T, f *Folder) map[string]string {
	t.Helper()
	out := map[string]string{}
	check(t, filepath.WalkDir(f.path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		out[path] = info.Mode().String() + string(data)
		return err
	}))
	return out
}

func sameKey(a, b *Entry) bool {
	return bytes.Equal(a.cert.RawSubjectPublicKeyInfo, b.cert.RawSubjectPublicKeyInfo)
}

// TestLife follows a certificate from its first day: renewed, revoked, made anew.
func TestLife(t *testing.T) {
	f := create(t, Plan{})
	first := issue(t, f, "alice.example")
	issue(t, f, "bob")
	if want := []string{"alice.example", "CN=alice.example"}; !slices.Equal(first.IDs(), want) || first.DaysLeft != 365 || first.Key != "ECDSA-P-256" {
		t.Errorf("issued %+v, which proves %q", first, first.IDs())
	}
	wantStates(t, f, "alice.example good", "bob good")

	later := at(t, f, day.AddDate(0, 11, 0))
	second, err := later.Renew("alice.example", Renewal{Days: 100})
	check(t, err)
	if !sameKey(second, first) || second.Serial == first.Serial || second.DaysLeft != 100 {
		t.Errorf("renewed as %+v", second)
	}
	wantStates(t, later, "alice.example good", "alice.example renewed", "bob good")
	wantStates(t, at(t, f, day.AddDate(1, 0, 1)), "alice.example good", "alice.example expired", "bob expired")

	hit, err := later.Revoke("alice.example", 30)
	check(t, err)
	if len(hit) != 2 {
		t.Errorf("%d certificates were revoked, want both", len(hit))
	}
	wantStates(t, later, "alice.example revoked", "alice.example revoked", "bob good")
	_, err = later.Renew("alice.example", Renewal{Days: 100})
	wantErr(t, err, "was revoked on 2027-05-01", "issue alice.example --force")
	if hit, err := later.Revoke("alice.example", 30); err != nil || len(hit) != 0 {
		t.Errorf("revoked again: %v, %v", hit, err)
	}
	third, err := later.Issue(Request{Name: "alice.example", Days: 365, Force: true, Kind: "ed25519"})
	check(t, err)
	if third.Key != "Ed25519" || third.State != Good {
		t.Errorf("made anew as %+v", third)
	}
}

// TestRevokeBySerial: one certificate of several goes, and the list counts on.
func TestRevokeBySerial(t *testing.T) {
	f := create(t, Plan{})
	old := issue(t, f, "alice")
	_, err := f.Renew("alice", Renewal{Days: 365, NewKey: true, Kind: "ecdsa-p384"})
	check(t, err)
	_, err = f.Revoke(strings.ToUpper("0x" + old.Serial)[2:], 7)
	check(t, err)
	l, err := f.CRL()
	check(t, err)
	if l.Number.Int64() != 2 || len(l.RevokedCertificateEntries) != 1 || !l.NextUpdate.Equal(day.AddDate(0, 0, 7)) {
		t.Errorf("list number %v with %v until %v", l.Number, l.RevokedCertificateEntries, l.NextUpdate)
	}
	e, err := f.Find("alice")
	if err != nil || e.State != Good || e.Key != "ECDSA-P-384" {
		t.Errorf("alice has %+v, %v", e, err)
	}
	_, err = f.Revoke("carol", 7)
	wantErr(t, err, `nothing for "carol"`, "there is alice")
}

// TestKeyElsewhere: a certificate is renewed though its files are with its owner.
func TestKeyElsewhere(t *testing.T) {
	f := create(t, Plan{})
	first := issue(t, f, "alice")
	check(t, os.Remove(f.file("alice.key")))
	check(t, os.Remove(f.file("alice.crt")))
	wantStates(t, f, "alice good")
	e, err := at(t, f, day.Add(time.Hour)).Renew("alice", Renewal{Days: 365})
	check(t, err)
	if e.KeyFile != "" || !sameKey(e, first) {
		t.Errorf("renewed as %+v", e)
	}
	wantStates(t, at(t, f, day.Add(time.Hour)), "alice good", "alice renewed")
}

// TestRenewAuthority: what it issued before stays good.
func TestRenewAuthority(t *testing.T) {
	f := create(t, Plan{Days: 10})
	e := issue(t, f, "alice")
	if !e.NotAfter.Equal(f.ca.NotAfter) {
		t.Errorf("a certificate until %v of an authority until %v", e.NotAfter, f.ca.NotAfter)
	}
	late := at(t, f, day.AddDate(0, 0, 11))
	_, err := late.Issue(Request{Name: "bob", Days: 1})
	wantErr(t, err, "expired on 2026-06-11", "renew ca")
	_, err = late.Renew("ca", Renewal{Days: 1, NewKey: true})
	wantErr(t, err, "another authority")
	_, err = late.Renew("ca", Renewal{Days: 100})
	check(t, err)
	again := at(t, f, day.AddDate(0, 0, 12))
	if err := e.cert.CheckSignatureFrom(again.ca); err != nil {
		t.Error(err)
	}
	issue(t, again, "bob")
}

// TestNothingIsOverwritten: what is refused changes no file.
func TestNothingIsOverwritten(t *testing.T) {
	f := create(t, Plan{})
	issue(t, f, "alice")
	before := snapshot(t, f)
	_, _, err := Create(f.path, Plan{Subject: "CN=x", Days: 1}, day)
	wantErr(t, err, "has an authority already", "--force")
	for name, r := range map[string]Request{
		"there is one":  {Name: "alice"},
		"the authority": {Name: "ca"},
		"a path":        {Name: "../x"},
		"no name":       {},
		"no such key":   {Name: "bob", Kind: "dsa"},
		"no subject":    {Name: "bob", Subject: "nonsense"},
		"no such SAN":   {Name: "bob", SANs: []string{"C=CH, CN=bob"}},
		"a wildcard":    {Name: "bob", SANs: []string{"*.example"}},
	} {
		r.Days = 1
		if _, err := f.Issue(r); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	_, err = f.Renew("bob", Renewal{Days: 1})
	wantErr(t, err, "there is alice")
	if after := snapshot(t, f); len(after) != len(before) {
		t.Errorf("%d files, before %d", len(after), len(before))
	} else {
		for path, was := range before {
			if after[path] != was {
				t.Errorf("%s has changed", path)
			}
		}
	}
	for path, was := range before {
		if want := "-rw-------"; strings.HasSuffix(path, ".key") && !strings.HasPrefix(was, want) {
			t.Errorf("%s has mode %s", path, was[:10])
		}
	}
}

// TestForcedAuthority: the one that was there is moved aside with all its files.
func TestForcedAuthority(t *testing.T) {
	f := create(t, Plan{})
	issue(t, f, "alice")
	was := snapshot(t, f)
	again, aside, err := Create(f.path, Plan{Subject: "CN=new", Days: 1, Force: true}, day)
	check(t, err)
	wantStates(t, again)
	for path, data := range snapshot(t, &Folder{path: aside}) {
		if was[strings.Replace(path, aside, f.path, 1)] != data {
			t.Errorf("%s is not what it was", path)
		}
	}
}

// TestLostFiles says what is missing, and what to do.
func TestLostFiles(t *testing.T) {
	f := create(t, Plan{})
	issue(t, f, "alice")
	_, err := Open(t.TempDir(), day)
	wantErr(t, err, "ca.crt", "warren pki init")

	list, err := os.ReadFile(f.CRLFile())
	check(t, err)
	check(t, os.Remove(f.CRLFile()))
	_, err = f.Revoke("alice", 1)
	wantErr(t, err, "what was revoked", "crl --force")
	if err := f.RenewCRL(1, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a lost list is begun anew unasked: %v", err)
	}
	wantStates(t, f, "alice good")
	check(t, f.RenewCRL(1, true))
	if l, err := f.CRL(); err != nil || l.Number.Int64() <= day.Unix() {
		t.Errorf("begun anew: %+v, %v", l, err)
	}

	other := create(t, Plan{})
	foreign, err := os.ReadFile(other.CRLFile())
	check(t, err)
	check(t, os.WriteFile(f.CRLFile(), foreign, public))
	_, err = f.Revoke("alice", 1)
	wantErr(t, err, "not the authority's")
	check(t, os.WriteFile(f.CRLFile(), list, public))

	check(t, os.Rename(other.file("ca.key"), f.file("ca.key")))
	_, err = f.Issue(Request{Name: "bob", Days: 1})
	wantErr(t, err, "is not the key of")
	check(t, os.Remove(f.file("ca.key")))
	_, err = f.Issue(Request{Name: "bob", Days: 1})
	wantErr(t, err, "ca.key", "bring it back")
	wantStates(t, f, "alice good") // listing needs no key
}

// TestTogether: what several do at once all counts.
func TestTogether(t *testing.T) {
	f := create(t, Plan{})
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for _, name := range names {
		issue(t, f, name)
	}
	var all sync.WaitGroup
	for _, name := range names {
		own := at(t, f, day)
		all.Go(func() {
			if _, err := own.Revoke(name, 1); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	l, err := f.CRL()
	if err != nil || len(l.RevokedCertificateEntries) != len(names) || l.Number.Int64() != 1+int64(len(names)) {
		t.Errorf("list number %v with %d entries, %v", l.Number, len(l.RevokedCertificateEntries), err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	check(t, write(path, []byte("one"), secret, false))
	wantErr(t, write(path, []byte("two"), secret, false), path, "is there already", "--force")
	if data, _ := os.ReadFile(path); !bytes.Equal(data, []byte("one")) {
		t.Errorf("holds %q", data)
	}
	check(t, write(path, []byte("two"), public, true))
	info, err := os.Stat(path)
	if data, _ := os.ReadFile(path); !bytes.Equal(data, []byte("two")) || err != nil || info.Mode() != public {
		t.Errorf("holds %q, mode %v, %v", data, info.Mode(), err)
	}
	if err := write(filepath.Join(dir, "none", "x"), nil, public, true); err == nil {
		t.Error("written into a folder that is not there")
	}
	check(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	if err := write(filepath.Join(dir, "folder"), nil, public, true); err == nil {
		t.Error("written over a folder")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("there is %v, %v", left, err)
	}
}
