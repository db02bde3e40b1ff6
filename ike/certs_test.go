package ike

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"warren/ike/message"
	"warren/ike/trust"
	"warren/pki"
)

// A testPKI is a root, an intermediate authority below it, and another root that
// nobody trusts.
type testPKI struct {
	root, sub, other *pki.Authority
	keys             map[string]pki.Pair
}

// thePKI is made once: RSA keys take their time.
var thePKI = sync.OnceValue(func() *testPKI {
	p := &testPKI{keys: map[string]pki.Pair{}}
	p.root = must(pki.NewAuthority(pki.Template{Subject: "C=CH, O=Example, CN=root", MaxPath: 1, From: start.AddDate(-1, 0, 0), To: start.AddDate(9, 0, 0)}))
	p.sub = must(p.root.Authority(pki.Template{Subject: "C=CH, O=Example, CN=sub", From: start.AddDate(-1, 0, 0), To: start.AddDate(9, 0, 0)}))
	p.other = must(pki.NewAuthority(pki.Template{Subject: "CN=other root", MaxPath: 1, From: start.AddDate(-1, 0, 0), To: start.AddDate(9, 0, 0)}))
	return p
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testKeys has one key of a kind for all tests, and more with "-of-" and a name
// behind it.
var testKeys = sync.OnceValue(func() func(kind string) pki.Pair {
	keys := map[string]pki.Pair{}
	return func(kind string) pki.Pair {
		if _, ok := keys[kind]; !ok {
			algorithm, _, _ := strings.Cut(kind, "-of-")
			keys[kind] = pki.Pair{Key: must(pki.NewKey(algorithm))}
		}
		return keys[kind]
	}
})

// issue makes the certificate of name, a domain name, by from.
func issue(from *pki.Authority, kind, name string, change ...func(*pki.Template)) *pki.Pair {
	t := pki.Template{Subject: "C=CH, O=Example, CN=" + name, DNS: []string{name}, Emails: []string{"user@" + name},
		Key: testKeys()(kind).Key, From: start.AddDate(0, 0, -1), To: start.AddDate(1, 0, 0)}
	for _, f := range change {
		f(&t)
	}
	return must(from.Issue(t))
}

func credential(t rapid.TB, p *pki.Pair, above ...*pki.Authority) *trust.Credential {
	t.Helper()
	certs := []*x509.Certificate{p.Cert}
	for _, a := range above {
		certs = append(certs, a.Cert)
	}
	c, err := trust.NewCredential(certs, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func store(t rapid.TB, o trust.Options, anchors ...*pki.Authority) *trust.Store {
	t.Helper()
	for _, a := range anchors {
		o.Anchors = append(o.Anchors, a.Cert)
	}
	s, err := trust.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// certPair are the configurations of two ends with certificates of one kind of
// key each, the initiator's below an intermediate authority.
func certPair(t rapid.TB, kindI, kindR string) (PeerConfig, AcceptConfig) {
	pk := thePKI()
	c, a := peerConfig(t), acceptConfig(t)
	c.PSK, a.PSK = nil, nil
	c.Cert = credential(t, issue(pk.sub, kindI, "alice.example"), pk.sub)
	a.Cert = credential(t, issue(pk.root, kindR, "sg1.example"))
	c.Trust, a.Trust = store(t, trust.Options{}, pk.root), store(t, trust.Options{}, pk.root)
	return c, a
}

// TestCertificates establishes with every kind of key, on either side.
func TestCertificates(t *testing.T) {
	kinds := []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-2048", "rsa-3072"}
	for i, kind := range kinds {
		for _, kinds := range [][2]string{{kind, kinds[(i+1)%len(kinds)]}, {kind, kind}} {
			t.Run(fmt.Sprint(kinds), func(t *testing.T) {
				c, a := certPair(t, kinds[0], kinds[1])
				p := newPair(t, a)
				p.establish(c)
				if got := p.r.theSession().Remote; got != c.LocalID {
					t.Errorf("the responder says that it is %v", got)
				}
				i, r := p.i.theSession(), p.r.theSession()
				if i.OwnProof != proofOf(kinds[0]) || i.PeerProof != proofOf(kinds[1]) || r.OwnProof != i.PeerProof || r.PeerProof != i.OwnProof {
					t.Errorf("proven by %q and %q, seen from the responder by %q and %q", i.OwnProof, i.PeerProof, r.OwnProof, r.PeerProof)
				}
				if !i.Certificate.Equal(a.Cert.Leaf()) || !r.Certificate.Equal(c.Cert.Leaf()) {
					t.Errorf("certificates are %v and %v", i.Certificate.Subject, r.Certificate.Subject)
				}
				p.close()
			})
		}
	}
}

// proofOf is what is said of the signature by a kind of key.
func proofOf(kind string) string {
	return "certificate, " + map[string]string{
		"ecdsa-p256": "ECDSA with SHA-256", "ecdsa-p384": "ECDSA with SHA-384", "ecdsa-p521": "ECDSA with SHA-512",
		"ed25519": "Ed25519", "rsa-2048": "RSASSA-PSS with SHA-256", "rsa-3072": "RSASSA-PSS with SHA-256",
	}[kind]
}

// TestMixed has one side with a certificate and the other with a pre-shared key.
func TestMixed(t *testing.T) {
	pk := thePKI()
	for _, initiatorHasCert := range []bool{true, false} {
		c, a := peerConfig(t), acceptConfig(t)
		if initiatorHasCert {
			c.Cert, a.Trust = credential(t, issue(pk.root, "ecdsa-p256", "alice.example")), store(t, trust.Options{}, pk.root)
		} else {
			a.Cert, c.Trust = credential(t, issue(pk.root, "ecdsa-p256", "sg1.example")), store(t, trust.Options{}, pk.root)
		}
		p := newPair(t, a)
		p.establish(c)
		s := p.i.theSession()
		if !s.Fragments || s.RekeyAt.IsZero() != (c.Rekey.IKE == 0) || !s.ReauthAt.IsZero() {
			t.Errorf("fragments %v, rekey at %v, reauthentication at %v", s.Fragments, s.RekeyAt, s.ReauthAt)
		}
		if want := proofOf("ecdsa-p256"); initiatorHasCert && (s.OwnProof != want || s.PeerProof != byPSK || s.Certificate != nil) ||
			!initiatorHasCert && (s.OwnProof != byPSK || s.PeerProof != want || s.Certificate == nil) {
			t.Errorf("proven by %q and %q, certificate %v", s.OwnProof, s.PeerProof, s.Certificate)
		}
		p.close()
	}
}

// TestOldMethods has ends that did not hear that the other knows RFC 7427: each
// kind of key then has its own method, and Ed25519 none.
func TestOldMethods(t *testing.T) {
	for kind, want := range map[string]message.AuthMethod{"rsa-2048": message.AuthRSA, "ecdsa-p256": message.AuthECDSA256,
		"ecdsa-p384": message.AuthECDSA384, "ecdsa-p521": message.AuthECDSA521, "ed25519": 0} {
		t.Run(kind, func(t *testing.T) {
			c, a := certPair(t, kind, kind)
			p := newPair(t, a)
			id, err := p.i.e.Initiate(c, p.now)
			if err != nil {
				t.Fatal(err)
			}
			p.flush()
			p.deliver(0)
			p.deliver(0)
			p.wire = nil
			s := p.i.e.sessions[id]
			for _, n := range []*end{p.i, p.r} {
				half := n.e.order[0].half
				if len(half.peer.hashes) != 4 {
					t.Errorf("%s heard of %v", n.name, half.peer.hashes)
				}
				half.peer.hashes = nil
			}
			s.cur.out.task.dropped(p.i.e, s.cur, p.now)
			s.cur.out, s.cur.sendID = nil, 1
			p.i.e.enqueue(s.cur, &authTask{}, p.now)
			if want == 0 {
				if f, ok := last[SessionFailed](p.flushed()); !ok || !strings.Contains(f.Err.Error(), "does not know RFC 7427, which Ed25519 needs") {
					t.Errorf("%s", dump(p.i.events))
				}
				return
			}
			p.flush()
			wire := slices.Clone(p.wire)
			if a, _ := message.Get[*message.Auth](p.openWire(p.r)); a.Method != want {
				t.Errorf("%+v", a)
			}
			p.wire = wire
			p.settle()
			if count[SessionUp](p.i) != 1 || count[SessionUp](p.r) != 1 {
				t.Fatalf("%s %s", dump(p.i.events), dump(p.r.events))
			}
			p.agree()
			p.close()
		})
	}
}

// flushed is the initiator after it was asked what it wants.
func (p *pair) flushed() *end {
	p.flush()
	return p.i
}

// TestInitExtras: who uses no certificates says nothing of them, and a responder
// speaks of RFC 7427 only to those who do.
func TestInitExtras(t *testing.T) {
	certC, certA := certPair(t, "ecdsa-p256", "ecdsa-p256")
	for name, tt := range map[string]struct {
		c         PeerConfig
		a         AcceptConfig
		asks      bool // the request has the notify
		tells     bool // so has the response
		wantsCert bool // the response has a CERTREQ
	}{
		"both":         {certC, certA, true, true, true},
		"neither":      {peerConfig(t), acceptConfig(t), false, false, false},
		"initiator":    {certC, acceptConfig(t), true, false, false},
		"responder":    {peerConfig(t), certA, false, false, true},
		"another host": {certC, elsewhere(certA), true, false, false},
	} {
		p := newPair(t, tt.a, func(_, r *Options) { r.Accept = append(r.Accept, acceptConfig(t)) })
		if _, err := p.i.e.Initiate(tt.c, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		p.deliver(0)
		req, resp := p.tap[0], p.tap[1]
		for _, x := range []struct {
			f    flight
			want bool
		}{{req, tt.asks}, {resp, tt.tells}} {
			m := must(message.Parse(x.f.d.Data))
			n := message.GetNotify(m.Payloads, message.SignatureHashAlgorithms)
			if (n != nil) != x.want || n != nil && string(n.Data) != "\x00\x02\x00\x03\x00\x04\x00\x05" {
				t.Errorf("%s: %s says %+v", name, x.f.from.name, n)
			}
		}
		r, ok := message.Get[*message.CertReq](must(message.Parse(resp.d.Data)).Payloads)
		if ok != tt.wantsCert || ok && (r.Encoding != 4 || len(r.Data) != 20) {
			t.Errorf("%s: CERTREQ %+v", name, r)
		}
		if len(resp.d.Data) > 3*len(req.d.Data) {
			t.Errorf("%s: %d octets for %d", name, len(resp.d.Data), len(req.d.Data))
		}
	}
}

func elsewhere(a AcceptConfig) AcceptConfig {
	a.Addresses = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	return a
}

// TestDistinguishedNames has both ends go by the subjects of their certificates,
// written in a configuration and sent as they are in the certificate.
func TestDistinguishedNames(t *testing.T) {
	pk := thePKI()
	utf8 := func(t *pki.Template) {
		t.Change = func(c *x509.Certificate) { // CN as a UTF8String
			c.RawSubject = bytes.Replace(c.RawSubject, []byte("\x13\x0dalice.example"), []byte("\x0c\x0dalice.example"), 1)
		}
	}
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	own := issue(pk.root, "ecdsa-p256", "alice.example", utf8)
	c.Cert = credential(t, own)
	c.LocalID, c.RemoteID = mustID(t, "C=CH, O=Example, CN=alice.example"), mustID(t, "C=CH, O=Example, CN=sg1.example")
	a.LocalID, a.IDs = c.RemoteID, []string{"C=CH, O=Example, CN=*"}
	p := newPair(t, a)
	p.establish(c)
	s := p.r.theSession()
	if s.Remote.Data != string(own.Cert.RawSubject) || s.Remote.String() != "C=CH, O=Example, CN=alice.example" || s.Remote.Data == c.LocalID.Data {
		t.Errorf("the responder knows it as %v, %x", s.Remote, s.Remote.Data)
	}
	p.close()
	a.IDs = []string{"C=CH, O=Other, CN=*"}
	p = newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if f, ok := last[SessionFailed](p.r); !ok || !strings.Contains(f.Err.Error(), "CN=alice.example matches none of the accepted ids") {
		t.Errorf("%s", dump(p.r.events))
	}
}

// TestEntriesApart: of several entries for the same identities, the one whose
// authority issued the peer's certificate, or whose secret it knows, is taken.
func TestEntriesApart(t *testing.T) {
	pk := thePKI()
	c, one := certPair(t, "ecdsa-p256", "ecdsa-p256")
	two, three := one, acceptConfig(t)
	one.Name, two.Name, three.Name = "one", "two", "three"
	two.Trust = store(t, trust.Options{}, pk.other)
	ofOther, ofNobody := c, c
	ofOther.Cert = credential(t, issue(pk.other, "ecdsa-p256", "alice.example"))
	ofNobody.Cert = credential(t, issue(must(pki.NewAuthority(pki.Template{Subject: "CN=x", From: start.AddDate(0, 0, -1)})), "ecdsa-p256", "alice.example"))
	psk := peerConfig(t)
	for want, c := range map[string]PeerConfig{"one": c, "two": ofOther, "three": psk, "": ofNobody} {
		p := newPair(t, one, func(_, r *Options) { r.Accept = append(r.Accept, two, three) })
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		up, _ := last[SessionUp](p.r)
		if up.Name != want {
			t.Errorf("entry %q is taken, want %q: %s", up.Name, want, dump(p.r.events))
		}
	}
}

// TestRefusalNamesBothSides: either end says who wanted what of whom.
func TestRefusalNamesBothSides(t *testing.T) {
	pk := thePKI()
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	other := c
	other.Cert = credential(t, issue(pk.other, "ecdsa-p256", "alice.example"), pk.other)
	name := c
	name.LocalID = mustID(t, "bob.example")
	psk := peerConfig(t)
	for _, tt := range []struct {
		c                    PeerConfig
		initiator, responder string
	}{
		{other, "sg1.example refuses alice.example: it trusts other authorities than that of the certificate of C=CH, O=Example, CN=alice.example, issued by CN=other root, ECDSA-P-256",
			"alice.example is not proven to sg1.example: certificate of C=CH, O=Example, CN=alice.example, issued by CN=other root, ECDSA-P-256: x509: certificate signed by unknown authority"},
		{name, "sg1.example refuses bob.example with the certificate of C=CH, O=Example, CN=alice.example, issued by C=CH, O=Example, CN=sub, ECDSA-P-256: it does not trust that, or does not know this id",
			"bob.example is not proven to sg1.example: its certificate is for alice.example; user@alice.example; C=CH, O=Example, CN=alice.example"},
		{psk, "sg1.example refuses alice.example: it knows another pre-shared key, or not this id",
			"alice.example is not proven to sg1.example: it authenticates with a pre-shared key, a certificate is wanted"},
	} {
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(tt.c, p.now); err != nil {
			t.Fatal(err)
		}
		p.settle()
		i, _ := last[SessionFailed](p.i)
		r, _ := last[SessionFailed](p.r)
		if i.Err == nil || !strings.HasSuffix(i.Err.Error(), tt.initiator) {
			t.Errorf("the initiator says %v,\nwant %s", i.Err, tt.initiator)
		}
		if r.Err == nil || !strings.Contains(r.Err.Error(), tt.responder) {
			t.Errorf("the responder says %v,\nwant %s", r.Err, tt.responder)
		}
	}
}

// TestOneAnswerToAll: whatever is wrong with a proof, the answer is of the same
// kind and size, so that nobody learns which ids are known.
func TestOneAnswerToAll(t *testing.T) {
	pk := thePKI()
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	sizes := map[int][]string{}
	for name, change := range map[string]func(c *PeerConfig){
		"unknown id":        func(c *PeerConfig) { c.LocalID = mustID(t, "mallory.org") },
		"other id":          func(c *PeerConfig) { c.LocalID = mustID(t, "bob.example") },
		"unknown authority": func(c *PeerConfig) { c.Cert = credential(t, issue(pk.other, "rsa-2048", "alice.example")) },
		"psk":               func(c *PeerConfig) { c.Cert, c.PSK = nil, []byte("x") },
		"other responder":   func(c *PeerConfig) { c.RemoteID = mustID(t, "sg9.example") },
		"email id":          func(c *PeerConfig) { c.LocalID = mustID(t, "user@mallory.org") },
	} {
		x := c
		change(&x)
		p := newPair(t, a)
		if _, err := p.i.e.Initiate(x, p.now); err != nil {
			t.Fatal(err)
		}
		p.flush()
		for len(p.r.events) == 0 {
			p.deliver(0)
		}
		answer := p.wire[len(p.wire)-1].d.Data
		sizes[len(answer)] = append(sizes[len(answer)], name)
		if p.settle(); count[SessionFailed](p.i) != 1 || count[SessionFailed](p.r) != 1 {
			t.Errorf("%s: %s %s", name, dump(p.i.events), dump(p.r.events))
		}
	}
	if len(sizes) != 1 {
		t.Errorf("the answers differ in size: %v", sizes)
	}
}

// TestKeyNeverShows: nothing that is told, logged or printed has a private key in
// it.
func TestKeyNeverShows(t *testing.T) {
	var log bytes.Buffer
	logged := func(i, r *Options) {
		l := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		i.Log, r.Log = l, l
	}
	c, a := certPair(t, "ecdsa-p256", "ed25519")
	p := newPair(t, a, logged)
	p.establish(c)
	key := testKeys()("ecdsa-p256").Key.(*ecdsa.PrivateKey)
	scalar := must(key.Bytes())
	ed := testKeys()("ed25519").Key.(ed25519.PrivateKey)
	for _, v := range []any{c, &c, a, &a, c.Cert, *c.Cert, c.Trust, p.i.events, p.r.events, p.i.theSession(), p.i.e.order[0], *p.i.e.order[0].auth} {
		for _, format := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			shown := fmt.Sprintf(format, v) + log.String()
			for _, secret := range []string{new(big.Int).SetBytes(scalar).String(), fmt.Sprintf("%x", scalar), fmt.Sprintf("%x", []byte(ed)), fmt.Sprint([]byte(ed))} {
				if strings.Contains(shown, strings.Trim(secret, "[]")) {
					t.Errorf("%T with %s shows the key", v, format)
				}
			}
		}
	}
	if data, err := json.Marshal(c.Cert); err != nil || string(data) != `"certificate of C=CH, O=Example, CN=alice.example"` {
		t.Errorf("%s, %v", data, err)
	}
}

// TestCertConfigRefused: an engine does not take a side without any proof.
func TestCertConfigRefused(t *testing.T) {
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	for _, change := range []func(c *PeerConfig, a *AcceptConfig){
		func(c *PeerConfig, a *AcceptConfig) { c.Cert, a.Cert = nil, nil },
		func(c *PeerConfig, a *AcceptConfig) { c.Trust, a.Trust = nil, nil },
	} {
		c, a := c, a
		change(&c, &a)
		if err := c.check(); err == nil {
			t.Error("a peer without a pre-shared key")
		}
		if err := a.check(); err == nil {
			t.Error("an entry without pre-shared keys")
		}
	}
}

// TestCertificateExpires under a session that stays up: it was good when it was
// looked at. The next one is refused.
func TestCertificateExpires(t *testing.T) {
	c, a := certPair(t, "ecdsa-p256", "ecdsa-p256")
	p := newPair(t, a)
	p.establish(c)
	p.now = p.now.AddDate(2, 0, 0)
	p.settle()
	if len(p.r.up) != 1 {
		t.Errorf("the session went: %s", dump(p.r.events))
	}
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if f, ok := last[SessionFailed](p.r); !ok || !strings.Contains(f.Err.Error(), "expired") {
		t.Errorf("%s", dump(p.r.events))
	}
}
