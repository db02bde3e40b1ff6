package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/pki"
)

const crlURL = "http://crl.example/sub.crl"

// withCRL has a URL in a certificate.
func withCRL(urls ...string) func(*pki.Template) {
	return func(t *pki.Template) { t.CRLURLs = urls }
}

func verified(t testing.TB, s *Store, at time.Time, certs ...*pki.Pair) *Peer {
	t.Helper()
	p, err := s.Verify(ders(certs...), fqdn("alice.example"), at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fileCRL(t testing.TB, der []byte) *x509.RevocationList {
	t.Helper()
	l, err := ParseCRL(der)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFromFiles has lists that are there from the start, for each policy.
func TestFromFiles(t *testing.T) {
	root, sub := authorities()
	own := alice(sub)
	day := 24 * time.Hour
	impostor := must(pki.NewAuthority(template("CN=sub")))
	tests := map[string]struct {
		crls [][]byte
		want [3]string // soft, strict, off
	}{
		"none":                 {nil, [3]string{"", "no current list of CN=sub is known: there is none", ""}},
		"one of two":           {[][]byte{crlOf(sub, now.Add(-day), now.Add(day))}, [3]string{"", "no current list of CN=root", ""}},
		"both, clean":          {[][]byte{crlOf(sub, now.Add(-day), now.Add(day)), crlOf(root, now.Add(-day), now.Add(day))}, [3]string{}},
		"revoked":              {[][]byte{crlOf(sub, now.Add(-day), now.Add(day), own.Cert.SerialNumber)}, [3]string{"was revoked on 2026-05-31", "was revoked", "was revoked"}},
		"issuer revoked":       {[][]byte{crlOf(sub, now.Add(-day), now.Add(day)), crlOf(root, now.Add(-day), now.Add(day), sub.Cert.SerialNumber)}, [3]string{"certificate of CN=sub", "was revoked", "was revoked"}},
		"revoked, stale":       {[][]byte{crlOf(sub, now.Add(-2*day), now.Add(-day), own.Cert.SerialNumber)}, [3]string{"was revoked", "was revoked", "was revoked"}},
		"clean, stale":         {[][]byte{crlOf(sub, now.Add(-2*day), now.Add(-day)), crlOf(root, now.Add(-day), now.Add(day))}, [3]string{"", "good until 2026-05-31", ""}},
		"clean, from tomorrow": {[][]byte{crlOf(sub, now.Add(day), now.Add(2*day)), crlOf(root, now.Add(-day), now.Add(day))}, [3]string{"", "good from 2026-06-02", ""}},
		"of an impostor":       {[][]byte{crlOf(impostor, now.Add(-day), now.Add(day), own.Cert.SerialNumber)}, [3]string{"", "there is none", ""}},
		"old and new":          {[][]byte{crlOf(sub, now.Add(-day), now.Add(day), own.Cert.SerialNumber), crlOf(sub, now.Add(-2*day), now.Add(day))}, [3]string{"was revoked", "was revoked", "was revoked"}},
		"new and old":          {[][]byte{crlOf(sub, now.Add(-2*day), now.Add(day)), crlOf(sub, now.Add(-day), now.Add(day), own.Cert.SerialNumber)}, [3]string{"was revoked", "was revoked", "was revoked"}},
	}
	for name, tt := range tests {
		for i, policy := range []Revocation{Soft, Strict, Off} {
			t.Run(fmt.Sprint(name, " ", policy), func(t *testing.T) {
				o := Options{Revocation: policy}
				for _, der := range tt.crls {
					o.CRLs = append(o.CRLs, fileCRL(t, der))
				}
				s := newStore(t, o, root.Cert)
				w, err := s.Check(verified(t, s, now, own, &sub.Pair), now)
				if len(w.Now)+len(w.Later) > 0 {
					t.Errorf("it wants %+v, though there is no URL", w)
				}
				if tt.want[i] == "" && err != nil || tt.want[i] != "" && (err == nil || !strings.Contains(err.Error(), tt.want[i])) {
					t.Errorf("%v, want %q", err, tt.want[i])
				}
			})
		}
	}
}

// TestFetched follows lists through their lives: asked for once, used while they
// are good, and replaced.
func TestFetched(t *testing.T) {
	root, sub := authorities()
	own := alice(sub, withCRL(crlURL))
	rootList := fileCRL(t, crlOf(root, now.AddDate(0, 0, -1), now.AddDate(1, 0, 0)))
	s := newStore(t, Options{Revocation: Strict, CRLs: []*x509.RevocationList{rootList}}, root.Cert)
	p := verified(t, s, now, own, &sub.Pair)
	check := func(at time.Time, wantNow, wantLater int, want string) {
		t.Helper()
		w, err := s.Check(p, at)
		if len(w.Now) != wantNow || len(w.Later) != wantLater {
			t.Errorf("wants %+v", w)
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check(now, 1, 0, "")
	check(now, 1, 0, "") // not tried yet
	if err := s.Fetched(crlURL, nil, errors.New("no route to it"), now); err == nil {
		t.Error("a failure is none")
	}
	check(now, 0, 0, crlURL+": no route to it")
	check(now.Add(59*time.Second), 0, 0, "no route to it")
	check(now.Add(time.Minute), 1, 0, "")
	check(now.Add(-time.Hour), 1, 0, "") // the clock was put back
	must(0, s.Fetched(crlURL, crlOf(sub, now.Add(-time.Hour), now.Add(3*time.Hour)), nil, now.Add(time.Minute)))
	check(now.Add(time.Minute), 0, 0, "")
	check(now.Add(50*time.Minute), 0, 0, "")
	check(now.Add(62*time.Minute), 0, 1, "") // aging: a quarter of its life is over
	_ = s.Fetched(crlURL, nil, errors.New("not now"), now.Add(62*time.Minute))
	check(now.Add(62*time.Minute), 0, 0, "") // still good
	check(now.Add(3*time.Hour), 1, 0, "")    // not any more
	if err := s.Fetched(crlURL, crlOf(sub, now.Add(-2*time.Hour), now.Add(9*time.Hour)), nil, now.Add(3*time.Hour)); err == nil {
		t.Error("an older list replaces a newer one")
	}
	check(now.Add(3*time.Hour), 0, 0, "older than the one at hand")
	revoked := crlOf(sub, now.Add(2*time.Hour), now.Add(9*time.Hour), own.Cert.SerialNumber)
	must(0, s.Fetched(crlURL, revoked, nil, now.Add(4*time.Hour)))
	check(now.Add(4*time.Hour), 0, 0, "was revoked")
	want := FetchedList{Term{now.Add(2 * time.Hour), now.Add(9 * time.Hour)}, "CN=sub", crlURL, "0"}
	if l := s.FetchedLists(); len(l) != 1 || l[0] != want {
		t.Errorf("%+v was fetched, want %+v: the list from a file was not", l, want)
	}
}

// TestSoftGoesOn: without a list the soft policy asks once, then lets pass.
func TestSoftGoesOn(t *testing.T) {
	root, _ := authorities()
	s := newStore(t, Options{}, root.Cert)
	p := verified(t, s, now, alice(root, withCRL(crlURL, "http://crl.example/2")))
	if w, err := s.Check(p, now); err != nil || len(w.Now) != 2 {
		t.Fatalf("%+v, %v", w, err)
	}
	_ = s.Fetched(crlURL, nil, errors.New("gone"), now)
	if w, err := s.Check(p, now); err != nil || len(w.Now) != 1 {
		t.Fatalf("%+v, %v", w, err)
	}
	_ = s.Fetched("http://crl.example/2", []byte("no list"), nil, now)
	if w, err := s.Check(p, now); err != nil || len(w.Now) != 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	off := newStore(t, Options{Revocation: Off}, root.Cert)
	if w, err := off.Check(verified(t, off, now, alice(root, withCRL(crlURL))), now); err != nil || len(w.Now) != 0 {
		t.Errorf("off: %+v, %v", w, err)
	}
}

// TestCVE_2022_40617: the URLs of a certificate that is not trusted are never
// asked for; and those that are trusted cannot ask for anything but web servers.
func TestCVE_2022_40617(t *testing.T) {
	root, _ := authorities()
	other := must(pki.NewAuthority(template("CN=other")))
	s := newStore(t, Options{Revocation: Strict}, root.Cert)
	for name, p := range map[string]*pki.Pair{
		"unknown authority": alice(other, withCRL(crlURL)),
		"expired":           alice(root, withCRL(crlURL), func(t *pki.Template) { t.To = now.Add(-time.Hour) }),
		"another name":      alice(root, withCRL(crlURL), func(t *pki.Template) { t.DNS = nil }),
	} {
		if _, err := s.Verify(ders(p), fqdn("alice.example"), now); err == nil {
			t.Fatalf("%s: trusted", name)
		}
	}
	if len(s.sources) != 0 {
		t.Errorf("sources %v", s.sources)
	}
	odd := alice(root, withCRL("ldap://crl.example/", "file:///etc/shadow", "http://user@crl.example/", "http:///x", "gopher://x/", ":", crlURL, crlURL))
	if w, err := s.Check(verified(t, s, now, odd), now); err != nil || !slices.Equal(w.Now, []string{crlURL}) {
		t.Errorf("asks for %v, %v", w.Now, err)
	}
}

// TestSourcesBounded: certificates of a trusted authority, each with URLs of its
// own, cost no more than a few.
func TestSourcesBounded(t *testing.T) {
	root, _ := authorities()
	s := newStore(t, Options{Revocation: Strict}, root.Cert)
	ask := func(at time.Time) (urls int) {
		for i := range 40 {
			own := alice(root, withCRL(fmt.Sprint("http://a/", i), fmt.Sprint("http://b/", i), "http://"+strings.Repeat("x", 2000)))
			w, _ := s.Check(verified(t, s, at, own), at)
			urls += len(w.Now)
		}
		return urls
	}
	if n := ask(now); n != maxSources || len(s.sources) != maxSources {
		t.Errorf("%d URLs, %d sources", n, len(s.sources))
	}
	for u := range s.sources {
		_ = s.Fetched(u, nil, errors.New("gone"), now)
	}
	if n := ask(now.Add(time.Second)); n != 0 {
		t.Errorf("%d URLs right after", n)
	}
	if n := ask(now.Add(time.Minute)); n == 0 || len(s.sources) > maxSources {
		t.Errorf("%d URLs later, %d sources", n, len(s.sources))
	}
	if err := s.Fetched("http://never.example/", nil, nil, now); err != nil {
		t.Errorf("a list that nobody wants: %v", err)
	}
}

// TestListsRefused has lists that say less than they seem to.
func TestListsRefused(t *testing.T) {
	root, sub := authorities()
	signOnly := must(root.Authority(template("CN=sub", func(t *pki.Template) {
		t.Key = sub.Key
		t.Change = func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }
	})))
	critical := func(id ...int) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = append(l.ExtraExtensions, extensionOf(asn1.ObjectIdentifier(id), []byte{0x30, 0}))
		}
	}
	list := func(change func(*x509.RevocationList)) []byte {
		return must(sub.CRL(pki.CRL{From: now.Add(-time.Hour), To: now.Add(time.Hour), Revoked: []*big.Int{big.NewInt(9)}, Change: change}))
	}
	good := list(nil)
	for name, tt := range map[string]struct {
		data []byte
		from *pki.Authority
		want string
	}{
		"good":                       {good, sub, ""},
		"good, PEM":                  {pki.CRLPEM(good), sub, ""},
		"empty":                      {nil, sub, "no revocation list in it"},
		"junk":                       {[]byte("<html>"), sub, "no revocation list in it"},
		"cut":                        {good[:len(good)-1], sub, "trust: "},
		"a certificate":              {root.Cert.Raw, sub, "trust: "},
		"two":                        {append(pki.CRLPEM(good), pki.CRLPEM(good)...), sub, "more than one"},
		"too large":                  {make([]byte, MaxCRL+1), sub, "larger than"},
		"of another issuer":          {good, root, "one of CN=root is wanted"},
		"changed":                    {append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1), sub, "revocation list of CN=sub"},
		"issuer may not":             {good, signOnly, "revocation list of CN=sub"},
		"issuing distribution point": {list(critical(2, 5, 29, 28)), sub, "critical extension 2.5.29.28"},
		"delta":                      {list(critical(2, 5, 29, 27)), sub, "critical extension 2.5.29.27"},
		"entry of another issuer": {list(func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].ExtraExtensions = append(l.RevokedCertificateEntries[0].ExtraExtensions,
				extensionOf(asn1.ObjectIdentifier{2, 5, 29, 29}, []byte{0x30, 0}))
		}), sub, "entry with the critical extension"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, Options{}, root.Cert)
			err := s.take("", tt.data, tt.from.Cert, now)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if tt.want != "" && len(s.lists) != 0 {
				t.Error("it is taken all the same")
			}
		})
	}
	if !weak(x509.SHA1WithRSA) || !weak(x509.ECDSAWithSHA1) || weak(x509.SHA256WithRSA) {
		t.Error("SHA-1 is not weak")
	}
}

// FuzzCRL has any octets for a list, with a limit on the time of each.
func FuzzCRL(f *testing.F) {
	root, _ := authorities()
	f.Add(crlOf(root, now.Add(-time.Hour), now.Add(time.Hour), big.NewInt(1), big.NewInt(2)))
	f.Add(pki.CRLPEM(crlOf(root, now, now)))
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		s := newStore(t, Options{}, root.Cert)
		_ = s.take("", data, root.Cert, now)
		if took := time.Since(begin); took > 2*time.Second {
			t.Fatalf("it took %v", took)
		}
	})
}
