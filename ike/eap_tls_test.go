package ike

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"iter"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/ike/crypt"
	"warren/ike/eap"
	"warren/ike/trust"
	"warren/pki"
)

// A tlsServer is an authenticator for EAP-TLS, made of crypto/tls.
type tlsServer struct {
	in, out []byte
	resume  func() (struct{}, bool)
	yield   func(struct{}) bool
	stop    func()
	ended   bool
	err     error
	msk     []byte
	id      byte
	parts   [][]byte
}

func newTLSServer(own *pki.Pair, version uint16) *tlsServer {
	pk, s := thePKI(), &tlsServer{}
	clients := x509.NewCertPool()
	clients.AddCert(pk.root.Cert)
	config := &tls.Config{MinVersion: version, MaxVersion: version, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
		Time:         func() time.Time { return start },
		Certificates: []tls.Certificate{{Certificate: [][]byte{own.Cert.Raw}, PrivateKey: own.Key}}}
	s.resume, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		s.yield = yield
		s.err = s.run(tls.Server(&tlsWire{s: s}, config))
	})
	return s
}

func (s *tlsServer) run(c *tls.Conn) error {
	if err := c.Handshake(); err != nil {
		return err
	}
	label, context := "client EAP encryption", []byte(nil)
	if c.ConnectionState().Version == tls.VersionTLS13 {
		label, context = "EXPORTER_EAP_TLS_Key_Material", []byte{13}
		if _, err := c.Write([]byte{0}); err != nil {
			return err
		}
	}
	state := c.ConnectionState()
	keys, err := state.ExportKeyingMaterial(label, context, 128)
	s.msk = keys[:64]
	return err
}

// A tlsWire is its connection to the messages.
type tlsWire struct {
	net.Conn // for what crypto/tls does not call
	s        *tlsServer
}

func (w *tlsWire) Read(b []byte) (int, error) {
	if len(w.s.in) == 0 && !w.s.yield(struct{}{}) {
		return 0, net.ErrClosed
	}
	n := copy(b, w.s.in)
	w.s.in = w.s.in[n:]
	return n, nil
}

func (w *tlsWire) Write(b []byte) (int, error) {
	w.s.out = append(w.s.out, b...)
	return len(b), nil
}

func (s *tlsServer) request(data []byte) eap.Step {
	s.id++
	return eap.Step{Message: eap.Packet{Code: eap.CodeRequest, ID: s.id, Type: eap.TypeTLS, Data: data}.Marshal()}
}

// Next answers a fragment, with parts of 500 octets.
func (s *tlsServer) Next(b []byte) eap.Step {
	p, err := eap.Parse(b)
	switch {
	case err != nil:
		return eap.Step{Err: err, Message: []byte{4, s.id, 0, 4}}
	case p.Type == eap.TypeNak:
		return s.request([]byte{0x20})
	}
	flags, data := p.Data[0], p.Data[1:]
	if flags&0x80 != 0 {
		data = data[4:]
	}
	if s.in = append(s.in, data...); flags&0x40 != 0 {
		return s.request([]byte{0})
	}
	if len(s.parts) == 0 && !s.ended {
		_, alive := s.resume()
		s.ended = !alive
		total := binary.BigEndian.AppendUint32(nil, uint32(len(s.out)))
		for len(s.out) > 0 {
			n := min(500, len(s.out))
			part := append([]byte{0xc0}, total...)
			if n == len(s.out) {
				part[0] = 0x80
			}
			s.parts, s.out = append(s.parts, append(part, s.out[:n]...)), s.out[n:]
		}
	}
	switch {
	case len(s.parts) > 0:
		part := s.parts[0]
		s.parts = s.parts[1:]
		return s.request(part)
	case s.err != nil:
		return eap.Step{Err: s.err, Message: []byte{4, s.id, 0, 4}}
	}
	return eap.Step{Done: true, Message: []byte{3, s.id, 0, 4}}
}

func (s *tlsServer) User() string      { return eapUser }
func (s *tlsServer) MSK() crypt.Secret { return s.msk }
func (s *tlsServer) Reason() error     { return s.err }
func (s *tlsServer) Close()            { s.stop() }

// tlsPair is eapPair with EAP-TLS, whose server is aaa.example.
func tlsPair(t *testing.T) (PeerConfig, AcceptConfig) {
	pk := thePKI()
	c, a := eapPair(t)
	cert := credential(t, issue(pk.sub, "ecdsa-p256", "alice.example"), pk.sub)
	c.EAP = eap.CertificateAccount(eapUser, cert, c.Trust, mustID(t, "aaa.example").payload(true))
	return c, a
}

// initiateTLS begins a session in which the responder asks for EAP-TLS once it heard
// that the initiator wants nothing else.
func initiateTLS(t *testing.T, c PeerConfig, a AcceptConfig, s *tlsServer, opt ...func(i, r *Options)) (*pair, SessionID) {
	p := newPair(t, a, opt...)
	id, err := p.i.e.Initiate(c, p.now)
	if err != nil {
		t.Fatal(err)
	}
	p.flush()
	for len(p.r.e.order) == 0 || p.r.e.order[0].eapServer == nil {
		p.deliver(0)
	}
	v := p.r.e.order[0].eapServer
	v.authenticator, v.config = s, v.configs[0]
	return p, id
}

// TestEAPTLS establishes by EAP-TLS, also where every message is in fragments, and
// leaves no coroutine behind.
func TestEAPTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, mtu := range []int{1500, 400} {
			c, a := tlsPair(t)
			p, id := initiateTLS(t, c, a, newTLSServer(issue(thePKI().root, "ecdsa-p256", "aaa.example"), version), small(mtu))
			p.settle()
			if !p.i.up[id] || p.r.theSession().Remote != mustID(t, eapUser) {
				t.Fatalf("not up: %s %s", dump(p.i.events), dump(p.r.events))
			}
			if err := goleak.Find(); err != nil {
				t.Error(err)
			}
			if requests, _ := p.auths(); requests < 8 {
				t.Errorf("it took %d rounds only", requests)
			}
			p.agree()
			p.close()
		}
	}
}

// TestEAPTLSRefused: an untrue server, and one that does not trust the initiator.
func TestEAPTLSRefused(t *testing.T) {
	pk := thePKI()
	for name, tt := range map[string]struct {
		server, client     *pki.Authority
		as                 string
		initiator, server2 string
	}{
		"another server":        {pk.root, pk.root, "sg1.example", "EAP-TLS: the server is not proven: its certificate is for sg1.example", "bad certificate"},
		"of another authority":  {pk.other, pk.root, "aaa.example", "EAP-TLS: the server is not proven", "bad certificate"},
		"initiator not trusted": {pk.root, pk.other, "aaa.example", "EAP-TLS: remote error: tls: ", "unknown authority"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%s, %#x", name, version), func(t *testing.T) {
				c, a := tlsPair(t)
				cert := credential(t, issue(tt.client, "ecdsa-p256", "alice.example"))
				c.EAP = eap.CertificateAccount(eapUser, cert, c.Trust, mustID(t, "aaa.example").payload(true))
				p, _ := initiateTLS(t, c, a, newTLSServer(issue(tt.server, "ecdsa-p256", tt.as), version))
				p.settle()
				for n, want := range map[*end]string{p.i: tt.initiator, p.r: tt.server2} {
					if f, ok := last[SessionFailed](n); !ok || !strings.Contains(f.Err.Error(), want) || count[SessionUp](n) != 0 {
						t.Errorf("%s: want %q: %s", n.name, want, dump(n.events))
					}
				}
				p.empty()
				if err := goleak.Find(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestEAPTLSLeft: a session that ends half-way, in whatever way, leaves no coroutine
// behind.
func TestEAPTLSLeft(t *testing.T) {
	own := issue(thePKI().root, "ecdsa-p256", "aaa.example")
	for n := 0; ; n++ {
		over := false
		for _, how := range []string{"abort", "delete", "time-out"} {
			c, a := tlsPair(t)
			p, id := initiateTLS(t, c, a, newTLSServer(own, tls.VersionTLS13))
			for range n {
				if p.deliver(0); len(p.wire) == 0 {
					over = true
					break
				}
			}
			switch how {
			case "abort":
				p.i.e.Abort(id)
				clear(p.i.in) // without an event
			case "delete":
				if err := p.i.e.Delete(id, p.now); err != nil {
					t.Fatal(err)
				}
			}
			p.wire, p.drop = nil, func(flight) bool { return true }
			p.advance(time.Minute)
			if err := goleak.Find(); err != nil {
				t.Fatalf("%s after %d messages: %v", how, n, err)
			}
		}
		if over {
			return
		}
	}
}

// TestEAPTLSRevocation: the certificate of the server is good only if it was not
// revoked since, for which IKE_AUTH waits in the end.
func TestEAPTLSRevocation(t *testing.T) {
	pk := thePKI()
	own := issue(pk.root, "ecdsa-p256", "aaa.example", func(t *pki.Template) { t.CRLURLs = []string{crlURL} })
	list := func(serials ...*big.Int) []byte {
		return must(pk.root.CRL(pki.CRL{Revoked: serials, From: start.Add(-time.Hour), To: start.Add(time.Hour)}))
	}
	for name, tt := range map[string]struct {
		list []byte
		want string
	}{
		"clean":       {list(), ""},
		"revoked":     {list(own.Cert.SerialNumber), "EAP: the server is not proven: certificate of C=CH, O=Example, CN=aaa.example"},
		"never comes": {nil, "no revocation list came"},
	} {
		t.Run(name, func(t *testing.T) {
			c, a := tlsPair(t)
			c.Trust = store(t, trust.Options{}, pk.root)
			c.EAP = eap.CertificateAccount(eapUser, credential(t, issue(pk.root, "ecdsa-p256", "alice.example")), c.Trust, mustID(t, "aaa.example").payload(true))
			p, _ := initiateTLS(t, c, a, newTLSServer(own, tls.VersionTLS12))
			p.settle()
			if tt.list == nil {
				p.advance(9 * time.Second)
			} else {
				p.answerCRL(t, p.i, func() ([]byte, error) { return tt.list, nil })
			}
			if tt.want == "" {
				if count[SessionUp](p.i) != 1 || count[SessionUp](p.r) != 1 {
					t.Fatalf("not up: %s %s", dump(p.i.events), dump(p.r.events))
				}
				p.close()
				return
			}
			if f, ok := last[SessionFailed](p.i); !ok || !strings.Contains(f.Err.Error(), tt.want) || count[SessionUp](p.r) != 0 {
				t.Errorf("want %q: %s", tt.want, dump(p.i.events))
			}
			p.empty()
		})
	}
}

// TestEAPGatewayRevocation: the certificate of the gateway itself is waited for before
// EAP begins.
func TestEAPGatewayRevocation(t *testing.T) {
	pk := thePKI()
	c, a := eapPair(t)
	c.Trust = store(t, trust.Options{}, pk.root)
	a.Cert = credential(t, issue(pk.root, "ecdsa-p256", "sg1.example", func(t *pki.Template) { t.CRLURLs = []string{crlURL} }))
	p := newPair(t, a)
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	p.answerCRL(t, p.i, func() ([]byte, error) {
		if requests, _ := p.auths(); requests != 1 {
			t.Errorf("%d requests while it waits", requests)
		}
		return must(pk.root.CRL(pki.CRL{From: start.Add(-time.Hour), To: start.Add(time.Hour)})), nil
	})
	if count[SessionUp](p.i) != 1 || count[SessionUp](p.r) != 1 {
		t.Fatalf("not up: %s %s", dump(p.i.events), dump(p.r.events))
	}
	p.agree()
	p.close()
}
