package eap

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"warren/pki"
)

func versions() map[string]uint16 {
	return map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}
}

func TestTLS(t *testing.T) {
	for name, version := range versions() {
		t.Run(name, func(t *testing.T) {
			p, s := tlsConversation(t, version)
			defer p.Close()
			done, _, err := converse(p, s.next, nil)
			if err != nil || s.err != nil {
				t.Fatalf("%v, the server %v", err, s.err)
			}
			if len(done.MSK) != 64 || !bytes.Equal(done.MSK, s.msk) {
				t.Errorf("the keys differ: % x, % x", []byte(done.MSK), s.msk)
			}
			if got := done.Server.Certificate().DNSNames; len(got) != 1 || got[0] != "aaa.example" {
				t.Errorf("the server is %v", got)
			}
			if s.id < 5 {
				t.Errorf("the server sent %d requests: nothing was in fragments", s.id)
			}
		})
	}
}

// TestTLSBesides: identity and other methods come before it.
func TestTLSBesides(t *testing.T) {
	p, s := tlsConversation(t, tls.VersionTLS13)
	defer p.Close()
	answer, _, err := p.Next(Packet{CodeRequest, 1, TypeIdentity, nil}.Marshal())
	if want := (Packet{CodeResponse, 1, TypeIdentity, []byte("alice@example.com")}).Marshal(); err != nil || !bytes.Equal(answer, want) {
		t.Fatalf("% x %v", answer, err)
	}
	answer, _, err = p.Next(must(challengeOf(t)))
	if nak := must(Parse(answer)); err != nil || nak.Type != TypeNak || !bytes.Equal(nak.Data, []byte{13}) {
		t.Fatalf("%+v %v", nak, err)
	}
	if done, _, err := converse(p, s.next, nil); err != nil || done == nil {
		t.Errorf("%v", err)
	}
}

// TestTLSRefused has servers and clients that are not believed. The other side hears
// of it by an alert.
func TestTLSRefused(t *testing.T) {
	w := theWorld()
	server := func(name string, by *pki.Authority, change ...func(*pki.Template)) func(*tls.Config) {
		return func(c *tls.Config) { c.Certificates = []tls.Certificate{pair(name, by, change...).TLS()} }
	}
	expired := func(t *pki.Template) { t.From, t.To = now.AddDate(0, -2, 0), now.AddDate(0, 0, -1) }
	for name, tt := range map[string]struct {
		change      func(*tls.Config)
		want, alert string
	}{
		"another name":       {server("other.example", w.sub), "the server is not proven: its certificate is for other.example", "bad certificate"},
		"another authority":  {server("aaa.example", w.other), "the server is not proven", "bad certificate"},
		"expired":            {server("aaa.example", w.sub, expired), "expired", "bad certificate"},
		"client not trusted": {func(c *tls.Config) { c.ClientCAs = nil }, "remote error: tls: ", "signed by unknown authority"},
		"old version":        {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, "EAP-TLS: ", "version"},
	} {
		for version, v := range versions() {
			t.Run(name+", "+version, func(t *testing.T) {
				p, s := tlsConversation(t, v, tt.change)
				defer p.Close()
				done, answer, err := converse(p, s.next, nil)
				if done != nil || err == nil || !strings.Contains(err.Error(), tt.want) || answer == nil {
					t.Fatalf("%v % x %v, want %q", done, answer, err, tt.want)
				}
				if end := s.next(answer); end[0] != byte(CodeFailure) || !strings.Contains(s.err.Error(), tt.alert) {
					t.Errorf("the server says %v, and % x", s.err, end)
				}
				if _, _, err := p.Next(s.request([]byte{0})); err == nil || p.method.Result() != nil {
					t.Error("it goes on")
				}
			})
		}
	}
}

// TestNoCertificateWanted: a server that does not ask for the client's certificate
// proves itself only. That is its business.
func TestNoCertificateWanted(t *testing.T) {
	p, s := tlsConversation(t, tls.VersionTLS12, func(c *tls.Config) { c.ClientAuth = tls.NoClientCert })
	defer p.Close()
	if done, _, err := converse(p, s.next, nil); err != nil || done == nil {
		t.Errorf("%v", err)
	}
}

// TestWeakKeyExchange: the client wants ephemeral keys, whose result no side can
// force.
func TestWeakKeyExchange(t *testing.T) {
	rsa := func(x *pki.Template) { x.KeyKind = "rsa-2048" }
	p, s := tlsConversation(t, tls.VersionTLS12, func(c *tls.Config) {
		c.Certificates = []tls.Certificate{pair("aaa.example", theWorld().sub, rsa).TLS()}
		c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	})
	defer p.Close()
	if done, _, err := converse(p, s.next, nil); err == nil || done != nil || s.err == nil {
		t.Errorf("%v, the server %v", err, s.err)
	}
}

// TestTLSCommitment: in TLS 1.3 a Success counts only with the server's word in the
// tunnel (RFC 9190, Section 2.1.1).
func TestTLSCommitment(t *testing.T) {
	for name, word := range map[string][]byte{"none": nil, "another": {1}} {
		t.Run(name, func(t *testing.T) {
			p, s := tlsConversation(t, tls.VersionTLS13, func(c *tls.Config) { c.SessionTicketsDisabled = true })
			defer p.Close()
			s.word = word
			if done, _, err := converse(p, s.next, nil); done != nil || err == nil {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestCVE_2021_45079: a Success before the server has proven itself is not believed,
// at whatever step it comes, and nor is one after a failure.
func TestCVE_2021_45079(t *testing.T) {
	begin := map[string]func() (*Peer, func([]byte) []byte){
		"MSCHAPv2": func() (*Peer, func([]byte) []byte) {
			var last Step
			_, next := serve(t, true, &last)
			return passwordPeer(user, password), next
		},
	}
	for name, v := range versions() {
		begin[name] = func() (*Peer, func([]byte) []byte) {
			p, s := tlsConversation(t, v)
			return p, s.next
		}
	}
	for name, f := range begin {
		for at, early := 0, true; early; at++ {
			early = false // where it has come to its end before: signatures differ in length, and so in fragments
			p, next := f()
			done, _, err := converse(p, next, func(n int, b []byte) []byte {
				if n != at {
					return b
				}
				early = b[0] != byte(CodeSuccess)
				return []byte{byte(CodeSuccess), b[1], 0, 4}
			})
			p.Close()
			switch {
			case early && (done != nil || err == nil || !strings.Contains(err.Error(), "with a Success before it has proven itself")):
				t.Errorf("%s, step %d: %v", name, at, err)
			case !early && done == nil:
				t.Errorf("%s, in the end: %v", name, err)
			}
		}
	}
}

// TestTLSLeft: nothing is left of a conversation that ends at any step.
func TestTLSLeft(t *testing.T) {
	for name, v := range versions() {
		for at := 0; ; at++ {
			p, s := tlsConversation(t, v)
			done, _, err := converse(p, s.next, func(n int, b []byte) []byte {
				if n == at {
					return nil
				}
				return b
			})
			p.Close()
			s.routine.stop()
			if err := goleak.Find(); err != nil {
				t.Fatalf("%s, step %d: %v", name, at, err)
			}
			if done != nil {
				break
			}
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s, step %d: %v", name, at, err)
			}
		}
	}
}

// TestFragments are the edges of what a server may send.
func TestFragments(t *testing.T) {
	start := []byte{flagStart}
	length := func(n int, flags byte, data string) []byte {
		return append([]byte{flags | flagLength, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, data...)
	}
	for name, tt := range map[string]struct {
		in   [][]byte
		want string // of the last; "bad" for an error there
	}{
		"whole":                   {[][]byte{start, []byte("\x00abc")}, "abc"},
		"whole, with length":      {[][]byte{start, length(3, 0, "abc")}, "abc"},
		"reserved flags":          {[][]byte{start, []byte("\x1fabc")}, "abc"},
		"in fragments":            {[][]byte{start, length(5, flagMore, "abc"), []byte("\x00de")}, "abcde"},
		"length in each":          {[][]byte{start, length(5, flagMore, "abc"), length(5, 0, "de")}, "abcde"},
		"fragments, no length":    {[][]byte{start, []byte("\x40abc"), []byte("\x00de")}, "abcde"},
		"no start":                {[][]byte{[]byte("\x00abc")}, "bad"},
		"a second start":          {[][]byte{start, start}, "bad"},
		"data in the start":       {[][]byte{[]byte("\x20abc")}, "bad"},
		"length in the start":     {[][]byte{{flagStart | flagLength}}, "bad"},
		"more after the start":    {[][]byte{{flagStart | flagMore}}, "bad"},
		"nothing":                 {[][]byte{start, {}}, "bad"},
		"nothing at all":          {[][]byte{{}}, "bad"},
		"length cut off":          {[][]byte{start, {flagLength, 0, 0, 3}}, "bad"},
		"length alone":            {[][]byte{start, length(3, 0, "")}, "bad"},
		"length 0":                {[][]byte{start, length(0, 0, "abc")}, "bad"},
		"length 1 too small":      {[][]byte{start, length(2, 0, "abc")}, "bad"},
		"length 2 too small":      {[][]byte{start, length(1, 0, "abc")}, "bad"},
		"length 1 too large":      {[][]byte{start, length(4, 0, "abc")}, "bad"},
		"too small for fragments": {[][]byte{start, length(4, flagMore, "abc"), []byte("\x00de")}, "bad"},
		"too large for fragments": {[][]byte{start, length(6, flagMore, "abc"), []byte("\x00de")}, "bad"},
		"full, and more":          {[][]byte{start, length(3, flagMore, "abc"), {0}}, "bad"},
		"another length":          {[][]byte{start, length(5, flagMore, "abc"), length(6, 0, "de")}, "bad"},
		"length in the second":    {[][]byte{start, []byte("\x40abc"), length(5, 0, "de")}, "bad"},
		"huge":                    {[][]byte{start, length(maxTLS+1, flagMore, "abc")}, "bad"},
		"4 GB":                    {[][]byte{start, length(0xffffffff, flagMore, "abc")}, "bad"},
		"an empty fragment":       {[][]byte{start, {flagMore}}, "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			var f fragments
			for i, b := range tt.in {
				in, whole, err := f.take(b)
				if last := i == len(tt.in)-1; !last && err != nil || last && (tt.want == "bad") != (err != nil) || whole != (err == nil && (i == 0 || last)) {
					t.Fatalf("%d: %v %v", i, whole, err)
				}
				if whole && i > 0 && string(in) != tt.want {
					t.Errorf("%q", in)
				}
			}
		})
	}
}

// TestFragmentsSent: what is long goes in parts, each of which must be acknowledged.
func TestFragmentsSent(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 2*fragmentLen+1)
	f := fragments{started: true}
	f.give(long)
	want := []string{fmt.Sprintf("\xc0\x00\x00\x07\xd1%s", long[:fragmentLen]), "\x40" + string(long[:fragmentLen]), "\x00x"}
	for i, w := range want {
		if got := f.next(); string(got) != w {
			t.Errorf("part %d is %.20q, %d octets", i, got, len(got))
		}
		if i == len(want)-1 {
			break
		}
		if _, whole, err := f.take([]byte("\x00abc")); err == nil || whole {
			t.Error("data was taken for an acknowledgement")
		}
		if _, whole, err := f.take([]byte{0}); err != nil || whole {
			t.Errorf("%v %v", whole, err)
		}
	}
	f.give(long[:fragmentLen])
	if got := f.next(); string(got) != "\x00"+string(long[:fragmentLen]) {
		t.Errorf("%.20q", got)
	}
	if got := f.next(); string(got) != "\x00" {
		t.Errorf("an acknowledgement is %q", got)
	}
}

// TestTooMuch: a message without an announced length is bounded as well.
func TestTooMuch(t *testing.T) {
	f := fragments{started: true}
	part := append([]byte{flagMore}, make([]byte, 1<<10)...)
	for n := 0; ; n++ {
		if _, _, err := f.take(part); err != nil {
			if n != maxTLS>>10 {
				t.Errorf("after %d KB: %v", n, err)
			}
			return
		}
	}
}

// TestAccountShowsNothing: accounts are parts of what may be printed.
func TestAccountShowsNothing(t *testing.T) {
	a := PasswordAccount(user, []byte(password))
	if s := fmt.Sprintf("%v %+v %#v", a, *a, *a); strings.Contains(s, password) || strings.Contains(s, fmt.Sprint([]byte(password))) {
		t.Error(s)
	}
}

// FuzzPeer lets an authenticator say what it likes: no method succeeds, and none
// breaks. The first message may be a good one.
func FuzzPeer(f *testing.F) {
	f.Add(true, false, []byte{1, 2, 0, 10, 26, 4, 0, 0, 5, 'E'}, []byte{3, 2, 0, 4})
	f.Add(false, false, []byte{1, 2, 0, 9, 13, 0x80, 0, 0, 1}, []byte{3, 2, 0, 4})
	f.Add(false, true, []byte{1, 2, 0, 12, 13, 0, 22, 3, 3, 0, 1, 0}, []byte{1, 3, 0, 6, 13, 0})
	f.Add(true, false, []byte{1, 2, 0, 5, 1}, []byte{1, 3, 0, 6, 4, 0})
	f.Fuzz(func(t *testing.T, ms, fix bool, a, b []byte) {
		w := theWorld()
		account := PasswordAccount(user, []byte(password))
		first := must(challengeOf(t))
		if !ms {
			account = CertificateAccount(user, fuzzCredential(), anchors(w.root), fqdn("aaa.example"))
			first = []byte{1, 1, 0, 6, 13, flagStart}
		}
		p := account.Start(rand.Reader, now)
		defer p.Close()
		for _, m := range [][]byte{first, a, b, {3, 9, 0, 4}} {
			if fix && len(m) >= 4 && m[0] <= 2 {
				m = bytes.Clone(m)
				m[2], m[3] = byte(len(m)>>8), byte(len(m))
			}
			answer, done, err := p.Next(m)
			if done != nil {
				t.Fatalf("% x made it succeed", m)
			}
			if answer != nil {
				must(Parse(answer))
			}
			if err != nil {
				return
			}
		}
	})
}

// FuzzServer lets a peer say what it likes: it does not come in.
func FuzzServer(f *testing.F) {
	f.Add(false, []byte{26, 2, 0, 0, 59, 49}, []byte{26, 3})
	f.Add(true, []byte{1, 'a'}, []byte{3, 13})
	f.Fuzz(func(t *testing.T, ask bool, a, b []byte) {
		s, _, err := NewServer(rand.Reader, users, ask)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range [][]byte{a, b, {26, 3}, {26, 4}} {
			if len(m) == 0 || len(m) > 60000 {
				return
			}
			step := s.Next(Packet{CodeResponse, s.id, Type(m[0]), m[1:]}.Marshal())
			if step.Done || len(s.MSK()) != 0 {
				t.Fatalf("% x came in", m)
			}
			if must(Parse(step.Message)); step.Err != nil {
				return
			}
		}
	})
}
