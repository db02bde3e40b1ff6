package eap

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"warren/ike/message"
	"warren/ike/trust"
	"warren/pki"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

const user, password = "alice", "Schlüssel 🔑 of Alice"

// users is what the Server of the tests knows.
func users(name string) ([]byte, bool) {
	p, ok := map[string]string{user: password, `CORP\alice`: password, "bob@example.com": "b"}[name]
	return []byte(p), ok
}

func passwordPeer(name, pw string) *Peer {
	return PasswordAccount(name, []byte(pw)).Start(rand.Reader, now)
}

// challengeOf is the first message of a Server.
func challengeOf(testing.TB) ([]byte, error) {
	_, b, err := NewServer(rand.Reader, users, false)
	return b, err
}

// now is when the certificates of the tests are judged.
var now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// A tlsWorld has an authority for both sides and another one that nobody trusts.
type tlsWorld struct{ root, sub, other *pki.Authority }

var theWorld = sync.OnceValue(func() tlsWorld {
	authority := func(name string) *pki.Authority {
		return must(pki.NewAuthority(pki.Template{Subject: "CN=" + name, MaxPath: 1, From: now.AddDate(-1, 0, 0), To: now.AddDate(1, 0, 0)}))
	}
	w := tlsWorld{root: authority("root"), other: authority("other")}
	w.sub = must(w.root.Authority(pki.Template{Subject: "CN=sub", From: now.AddDate(-1, 0, 0), To: now.AddDate(1, 0, 0)}))
	return w
})

// pair is a certificate of name with what is above it.
func pair(name string, by *pki.Authority, change ...func(*pki.Template)) *trust.Credential {
	t := pki.Template{Subject: "CN=" + name, DNS: []string{name}, From: now.AddDate(0, -1, 0), To: now.AddDate(0, 1, 0)}
	for _, f := range change {
		f(&t)
	}
	p := must(by.Issue(t))
	return must(trust.NewCredential([]*x509.Certificate{p.Cert, by.Cert}, p.Key))
}

func anchors(a ...*pki.Authority) *trust.Store {
	var o trust.Options
	for _, x := range a {
		o.Anchors = append(o.Anchors, x.Cert)
	}
	return must(trust.New(o))
}

func fqdn(name string) *message.ID { return &message.ID{IDType: message.IDFQDN, Data: []byte(name)} }

// tlsConversation is an EAP-TLS peer with the server that it talks to.
func tlsConversation(t testing.TB, version uint16, change ...func(*tls.Config)) (*Peer, *tlsServer) {
	w := theWorld()
	a := CertificateAccount("alice@example.com", pair("alice.example", w.sub), anchors(w.root), fqdn("aaa.example"))
	return a.Start(rand.Reader, now), newTLSServer(t, version, change...)
}

// A tlsServer is an authenticator for EAP-TLS, made of crypto/tls and the same
// fragments, whose limits it has to keep.
type tlsServer struct {
	t       testing.TB
	id      uint8
	routine *coroutine
	in      []byte
	out     [][]byte // fragments to be sent
	msk     []byte
	err     error
	word    []byte // the success of TLS 1.3
}

func newTLSServer(t testing.TB, version uint16, change ...func(*tls.Config)) *tlsServer {
	w := theWorld()
	s := &tlsServer{t: t, word: []byte{0}}
	own := pair("aaa.example", w.sub).TLS()
	clients := x509.NewCertPool()
	clients.AddCert(w.root.Cert)
	config := &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
		MinVersion: version, MaxVersion: version, Time: func() time.Time { return now }}
	for _, f := range change {
		f(config)
	}
	s.routine = start(func(c net.Conn) { s.err = s.run(tls.Server(c, config)) })
	t.Cleanup(s.routine.stop)
	return s
}

func (s *tlsServer) run(c *tls.Conn) error {
	if err := c.Handshake(); err != nil {
		return err
	}
	state := c.ConnectionState()
	label, context := "client EAP encryption", []byte(nil)
	if state.Version == tls.VersionTLS13 {
		label, context = "EXPORTER_EAP_TLS_Key_Material", []byte{13}
		if _, err := c.Write(s.word); err != nil {
			return err
		}
	}
	keys, err := state.ExportKeyingMaterial(label, context, 128)
	if err == nil {
		s.msk = keys[:64]
	}
	return err
}

// request is the message with this Type-Data.
func (s *tlsServer) request(data []byte) []byte {
	s.id++
	return Packet{Code: CodeRequest, ID: s.id, Type: TypeTLS, Data: data}.Marshal()
}

// next answers a response, nil for the beginning.
func (s *tlsServer) next(b []byte) []byte {
	if b == nil {
		return s.request([]byte{flagStart})
	}
	p := must(Parse(b))
	if p.Code != CodeResponse || p.ID != s.id || p.Type != TypeTLS {
		s.t.Fatalf("the answer to %d is %+v", s.id, p)
	}
	flags, data := p.Data[0], p.Data[1:]
	if flags&flagLength != 0 {
		data = data[4:]
	}
	s.in = append(s.in, data...)
	if flags&flagMore != 0 {
		return s.request([]byte{0})
	}
	if len(s.out) == 0 {
		if s.routine.ended { // the last word was acknowledged
			return s.end()
		}
		s.split(s.routine.exchange(s.in))
		s.in = nil
		if len(s.out) == 0 {
			return s.end()
		}
	}
	out := s.out[0]
	s.out = s.out[1:]
	return s.request(out)
}

func (s *tlsServer) end() []byte {
	code := CodeSuccess
	if s.err != nil {
		code = CodeFailure
	}
	return Packet{Code: code, ID: s.id}.Marshal()
}

// split makes fragments of 700 octets, the length in each as some servers do.
func (s *tlsServer) split(b []byte) {
	const size = 700
	total := []byte{0, byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}
	for len(b) > 0 {
		n := min(size, len(b))
		f := append([]byte{flagLength}, total...)
		if n < len(b) {
			f[0] |= flagMore
		}
		s.out = append(s.out, append(f, b[:n]...))
		b = b[n:]
	}
}

// converse carries messages from what next says, until the peer has a result or an
// error. Change may put another message in place of the n-th.
func converse(p *Peer, next func(answer []byte) []byte, change func(n int, b []byte) []byte) (*Result, []byte, error) {
	var answer []byte
	for n := 0; ; n++ {
		b := next(answer)
		if change != nil {
			b = change(n, b)
		}
		var done *Result
		var err error
		if answer, done, err = p.Next(b); done != nil || err != nil {
			return done, answer, err
		}
		if n > 2*maxRounds {
			return nil, nil, io.ErrNoProgress
		}
	}
}

// fuzzCredential is made once: keys take their time.
var fuzzCredential = sync.OnceValue(func() *trust.Credential { return pair("alice.example", theWorld().sub) })
