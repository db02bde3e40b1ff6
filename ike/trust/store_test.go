package trust

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/dn"
	"warren/ike/message"
	"warren/pki"
)

// TestBind ties every kind of identity to a certificate that has all of them.
func TestBind(t *testing.T) {
	root, _ := authorities()
	cert := alice(root, func(t *pki.Template) {
		t.Subject, t.Emails = "C=CH, O=Example, CN=alice", []string{"Alice@example"}
		t.IPs = []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	}).Cert
	der := dnID("C=CH, O=Example, CN=alice").Data
	tests := map[string]struct {
		id   message.ID
		want bool
	}{
		"name":               {message.ID{IDType: message.IDFQDN, Data: []byte("alice.example")}, true},
		"name in capitals":   {message.ID{IDType: message.IDFQDN, Data: []byte("ALICE.example")}, true},
		"part of it":         {message.ID{IDType: message.IDFQDN, Data: []byte("example")}, false},
		"prefix":             {message.ID{IDType: message.IDFQDN, Data: []byte("alice")}, false},
		"longer":             {message.ID{IDType: message.IDFQDN, Data: []byte("alice.example\x00")}, false},
		"common name":        {message.ID{IDType: message.IDFQDN, Data: []byte("CN=alice")}, false},
		"empty name":         {message.ID{IDType: message.IDFQDN}, false},
		"email":              {message.ID{IDType: message.IDEmail, Data: []byte("alice@example")}, true},
		"email as name":      {message.ID{IDType: message.IDFQDN, Data: []byte("alice@example")}, false},
		"name as email":      {message.ID{IDType: message.IDEmail, Data: []byte("alice.example")}, false},
		"IPv4":               {message.ID{IDType: message.IDIPv4, Data: []byte{192, 0, 2, 7}}, true},
		"another IPv4":       {message.ID{IDType: message.IDIPv4, Data: []byte{192, 0, 2, 8}}, false},
		"IPv4 as text":       {message.ID{IDType: message.IDFQDN, Data: []byte("192.0.2.7")}, false},
		"short address":      {message.ID{IDType: message.IDIPv4, Data: []byte{192, 0, 2}}, false},
		"no address":         {message.ID{IDType: message.IDIPv4}, false},
		"IPv6":               {message.ID{IDType: message.IDIPv6, Data: netip.MustParseAddr("2001:db8::7").AsSlice()}, true},
		"subject":            {message.ID{IDType: message.IDDN, Data: der}, true},
		"subject, cut":       {message.ID{IDType: message.IDDN, Data: der[:len(der)-1]}, false},
		"subject, more":      {message.ID{IDType: message.IDDN, Data: append(bytes.Clone(der), 0)}, false},
		"subject, one RDN":   {*dnID("CN=alice"), false},
		"subject, its start": {*dnID("C=CH, O=Example"), false},
		"subject, reversed":  {*dnID("CN=alice, O=Example, C=CH"), false},
		"subject, case":      {*dnID("C=CH, O=Example, CN=Alice"), false},
		"subject, pattern":   {*dnID("C=CH, O=Example, CN=*"), false},
		"no subject":         {message.ID{IDType: message.IDDN, Data: []byte{0x30, 0}}, false},
		"empty subject":      {message.ID{IDType: message.IDDN}, false},
		"64 kB":              {message.ID{IDType: message.IDDN, Data: bytes.Repeat([]byte{0x30, 0x80}, 1<<15)}, false},
		"key id":             {message.ID{IDType: message.IDKeyID, Data: cert.SubjectKeyId}, false},
		"general name":       {message.ID{IDType: message.IDGN, Data: []byte("alice.example")}, false},
		"null":               {message.ID{IDType: message.IDNull}, false},
	}
	for name, tt := range tests {
		if err := Bind(cert, &tt.id); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	unnamed := alice(root, func(t *pki.Template) { t.Subject, t.DNS = "", nil }).Cert
	for _, id := range []message.ID{{IDType: message.IDDN, Data: []byte{0x30, 0}}, {IDType: message.IDFQDN}, {IDType: message.IDDN}} {
		if err := Bind(unnamed, &id); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("a certificate for nobody is %+v's: %v", id, err)
		}
	}
}

func TestVerify(t *testing.T) {
	root, sub := authorities()
	deep := must(sub.Authority(template("CN=deep")))
	deeper := must(deep.Authority(template("CN=deeper", func(t *pki.Template) { t.MaxPath = -1 })))
	oids := func(ids ...asn1.ObjectIdentifier) func(*pki.Template) {
		return func(t *pki.Template) {
			t.Change = func(c *x509.Certificate) { c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, ids }
		}
	}
	codeCA := must(root.Authority(template("CN=code", func(t *pki.Template) {
		t.Change = func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }
	})))
	critical := func(t *pki.Template) {
		t.Change = func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, extensionOf(asn1.ObjectIdentifier{1, 2, 3}, []byte{5, 0}))
		}
	}
	tests := map[string]struct {
		certs [][]byte
		want  string // "" is good
	}{
		"direct":             {ders(alice(root)), ""},
		"one between":        {ders(alice(sub), &sub.Pair), ""},
		"any order":          {ders(alice(deep), &sub.Pair, &deep.Pair), ""},
		"junk between":       {append(ders(alice(sub)), []byte("junk"), nil, sub.Cert.Raw), ""},
		"root sent too":      {ders(alice(sub), &sub.Pair, &root.Pair), ""},
		"ipsecIKE only":      {ders(alice(root, oids(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17}))), ""},
		"no usage":           {ders(alice(root, oids())), ""},
		"any usage":          {ders(alice(root, oids(asn1.ObjectIdentifier{2, 5, 29, 37, 0}))), ""},
		"unknown usage":      {ders(alice(root, oids(asn1.ObjectIdentifier{1, 2, 3, 4}))), "extended key usage"},
		"link missing":       {ders(alice(deep), &deep.Pair), "unknown authority"},
		"path too long":      {ders(alice(deeper), &deeper.Pair, &deep.Pair, &sub.Pair), "too many intermediates"},
		"authority for code": {ders(alice(codeCA), &codeCA.Pair), "issuer CN=code: its extended key usage"},
		"critical, unknown":  {ders(alice(root, critical)), "unhandled critical extension"},
		"eight":              {append(ders(alice(sub), &sub.Pair), make([][]byte, 6)...), ""},
		"nine":               {append(ders(alice(sub), &sub.Pair), make([][]byte, 7)...), "9 certificates"},
		"none":               {nil, "no certificate"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := newStore(t, Options{}, root.Cert).Verify(tt.certs, fqdn("alice.example"), now)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || p != nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			case tt.want == "" && !bytes.Equal(p.Certificate().Raw, tt.certs[0]):
				t.Error("another certificate comes out")
			}
		})
	}
}

func ders(pairs ...*pki.Pair) (out [][]byte) {
	for _, p := range pairs {
		out = append(out, p.Cert.Raw)
	}
	return out
}

// TestPinned: an anchor may be a peer's own certificate.
func TestPinned(t *testing.T) {
	root, sub := authorities()
	own := alice(root)
	s := newStore(t, Options{Revocation: Strict}, own.Cert)
	p, err := s.Verify(ders(own), fqdn("alice.example"), now)
	if err != nil {
		t.Fatal(err)
	}
	if w, err := s.Check(p, now); err != nil || len(w.Now) > 0 {
		t.Errorf("revocation of an anchor: %v, %v", w, err)
	}
	if _, err := s.Verify(ders(alice(root)), fqdn("alice.example"), now); err == nil {
		t.Error("another certificate of the same key and issuer is trusted")
	}
	// An authority below another is an anchor too, without the one above.
	if _, err := newStore(t, Options{}, sub.Cert).Verify(ders(alice(sub)), fqdn("alice.example"), now); err != nil {
		t.Error(err)
	}
	if _, err := newStore(t, Options{}, sub.Cert).Verify(ders(own), fqdn("alice.example"), now); err == nil {
		t.Error("a certificate of the authority above is trusted")
	}
}

// TestStoresAreApart: what one identity trusts is nothing to another.
func TestStoresAreApart(t *testing.T) {
	root, _ := authorities()
	other := must(pki.NewAuthority(template("CN=root"))) // of the same name
	for _, tt := range []struct{ anchor, issuer *pki.Authority }{{root, root}, {other, other}, {root, other}, {other, root}} {
		_, err := newStore(t, Options{}, tt.anchor.Cert).Verify(ders(alice(tt.issuer)), fqdn("alice.example"), now)
		if want := tt.anchor == tt.issuer; (err == nil) != want {
			t.Errorf("same %v: %v", want, err)
		}
	}
}

func TestAnchorsRefused(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a store without anchors")
	}
	weak := must(pki.NewAuthority(template("CN=weak", func(t *pki.Template) { t.Key = weakKey() })))
	if _, err := New(Options{Anchors: []*x509.Certificate{weak.Cert}}); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Errorf("an anchor with a weak key: %v", err)
	}
	root, _ := authorities()
	issued := alice(&pki.Authority{Pair: weak.Pair})
	if _, err := newStore(t, Options{}, root.Cert).Verify(ders(issued, &weak.Pair), fqdn("alice.example"), now); err == nil {
		t.Error("a path over a weak key")
	}
}

func TestKeyIDs(t *testing.T) {
	root, sub := authorities()
	s := newStore(t, Options{}, root.Cert, sub.Cert, root.Cert)
	want := [][sha1.Size]byte{sha1.Sum(root.Cert.RawSubjectPublicKeyInfo), sha1.Sum(sub.Cert.RawSubjectPublicKeyInfo)}
	if got := s.KeyIDs(); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	c := must(NewCredential([]*x509.Certificate{alice(sub).Cert, sub.Cert}, aKey()))
	for name, tt := range map[string]struct {
		asked [][sha1.Size]byte
		store *Store
		want  bool
	}{
		"nothing": {nil, s, false}, "its root": {want[:1], s, false}, "its issuer": {want[1:], nil, false},
		"others": {[][sha1.Size]byte{{1}}, s, true}, "others, root not known": {[][sha1.Size]byte{{1}}, nil, false},
	} {
		if got := c.Unwanted(tt.asked, tt.store); got != tt.want {
			t.Errorf("%s: unwanted %v", name, got)
		}
	}
}

// TestCVE_2021_41991: what peers send is not remembered, so that no number of
// certificates, each with another signature, costs memory.
func TestCVE_2021_41991(t *testing.T) {
	root, _ := authorities()
	s := newStore(t, Options{}, root.Cert)
	good := alice(root).Cert.Raw
	rnd := rand.New(rand.NewPCG(1, 2))
	before := heap()
	for range 2000 {
		bad := bytes.Clone(good)
		bad[len(bad)-1-rnd.IntN(30)] ^= byte(1 + rnd.IntN(255))
		if _, err := s.Verify([][]byte{bad}, fqdn("alice.example"), now); err == nil {
			t.Fatal("a changed signature is good")
		}
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d octets are kept", grown)
	}
	if len(s.sources)+len(s.lists) != 0 {
		t.Errorf("%d sources and %d lists are kept", len(s.sources), len(s.lists))
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestExcludedNames: constraints on distinguished names hold in any spelling.
func TestExcludedNames(t *testing.T) {
	root, _ := authorities()
	constrained := func(permitted, excluded string) *pki.Authority {
		return must(root.Authority(template("CN=constrained", func(t *pki.Template) {
			t.Change = func(c *x509.Certificate) {
				e := extensionOf(oidNameConstraints(), constraintsDER(permitted, excluded))
				c.ExtraExtensions = append(c.ExtraExtensions, e)
			}
		})))
	}
	for name, tt := range map[string]struct {
		permitted, excluded, subject string
		want                         bool
	}{
		"permitted":            {"O=Good", "", "O=Good, CN=alice", true},
		"permitted, case":      {"O=Good", "", "O=gOOd, CN=alice", true},
		"not permitted":        {"O=Good", "", "O=Goods, CN=alice", false},
		"not at the start":     {"O=Good", "", "CN=x, O=Good, CN=alice", false},
		"excluded":             {"", "O=Evil", "O=Evil, CN=alice", false},
		"excluded, case":       {"", "O=Evil", "O=EVIL, CN=alice", false},
		"excluded, blanks":     {"", "O=Evil Corp", "O=Evil  Corp, CN=alice", false},
		"excluded, no text":    {"", "O=Evil", "O=#14044576696c, CN=alice", false},
		"not excluded":         {"", "O=Evil", "O=Evilish, CN=alice", true},
		"both":                 {"O=Good", "O=Good, OU=Evil", "O=Good, OU=Evil, CN=alice", false},
		"both, the good part":  {"O=Good", "O=Good, OU=Evil", "O=Good, OU=Fine, CN=alice", true},
		"no subject, excluded": {"", "O=Evil", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			ca := constrained(tt.permitted, tt.excluded)
			leaf := alice(ca, func(p *pki.Template) { p.Subject = tt.subject })
			_, err := newStore(t, Options{}, root.Cert).Verify(ders(leaf, &ca.Pair), fqdn("alice.example"), now)
			if (err == nil) != tt.want {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestConstraintsOfOtherKinds: critical constraints that nobody enforces make a
// certificate useless.
func TestConstraintsOfOtherKinds(t *testing.T) {
	root, _ := authorities()
	for name, value := range map[string][]byte{
		"registered id": {0x30, 0x09, 0xa1, 0x07, 0x30, 0x05, 0x88, 0x03, 0x2a, 0x03, 0x04},
		"minimum 1":     {0x30, 0x0b, 0xa1, 0x09, 0x30, 0x07, 0xa4, 0x02, 0x30, 0x00, 0x80, 0x01, 0x01},
	} {
		ca, err := root.Authority(template("CN=odd", func(t *pki.Template) {
			t.Change = func(c *x509.Certificate) {
				c.ExtraExtensions = append(c.ExtraExtensions, extensionOf(oidNameConstraints(), value))
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newStore(t, Options{}, root.Cert).Verify(ders(alice(ca), &ca.Pair), fqdn("alice.example"), now); err == nil {
			t.Errorf("%s: not enforced, and accepted", name)
		}
	}
}

func TestCredentialRefused(t *testing.T) {
	root, sub := authorities()
	own := alice(root)
	long := slices.Repeat([]*x509.Certificate{sub.Cert}, 8)
	for name, err := range map[string]error{
		"no key":         second(NewCredential([]*x509.Certificate{own.Cert}, nil)),
		"no certificate": second(NewCredential(nil, own.Key)),
		"another key":    second(NewCredential([]*x509.Certificate{own.Cert}, sub.Key)),
		"too many":       second(NewCredential(append([]*x509.Certificate{own.Cert}, long...), own.Key)),
		"an authority":   second(NewCredential([]*x509.Certificate{sub.Cert}, sub.Key)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	c := must(NewCredential([]*x509.Certificate{own.Cert, root.Cert}, own.Key))
	if ps := c.Payloads(); len(ps) != 1 {
		t.Errorf("%d certificates are sent: the root should stay at home", len(ps))
	}
	for _, shown := range []string{fmt.Sprintf("%v|%+v|%#v|%x|%s", c, c, c, c, *c), fmt.Sprint(c.LogValue())} {
		if strings.Trim(strings.ReplaceAll(shown, "certificate of CN=alice", ""), "|") != "" {
			t.Errorf("shown as %s", shown)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// FuzzCertificate has any octets for certificates and identities, with a limit on
// the time of each (CVE-2009-2185, CVE-2009-2661, CVE-2013-5018, CVE-2017-9023).
func FuzzCertificate(f *testing.F) {
	root, sub := authorities()
	for _, p := range []*pki.Pair{alice(root), alice(sub), &sub.Pair, &root.Pair} {
		f.Add(p.Cert.Raw, sub.Cert.Raw, uint8(message.IDFQDN), []byte("alice.example"))
	}
	f.Add([]byte{}, []byte{}, uint8(message.IDDN), must(must(dn.ParseText("CN=alice")).Marshal()))
	s := newStore(f, Options{}, root.Cert)
	f.Fuzz(func(t *testing.T, leaf, above []byte, kind uint8, id []byte) {
		begin := time.Now()
		p, err := s.Verify([][]byte{leaf, above}, &message.ID{IDType: message.IDType(kind), Data: id}, now)
		if (p == nil) == (err == nil) {
			t.Fatalf("%v, %v", p, err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Fatalf("it took %v", took)
		}
	})
}
