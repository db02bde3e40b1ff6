package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/config"
	"warren/control"
	"warren/ike"
	"warren/pki"
)

const certDay = 24 * time.Hour

var certStart = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// certNode is a node whose own certificate lasts 40 days, its authority 400 and
// the revocation list 4; and the certificate of a peer, which lasts 100.
func certNode(t *testing.T, log *bytes.Buffer) (*Node, *pki.Pair) {
	t.Helper()
	lasts := func(days int) pki.Template {
		return pki.Template{From: certStart, To: certStart.Add(time.Duration(days) * certDay)}
	}
	root := lasts(400)
	root.Subject, root.MaxPath = "CN=root", 1
	ca, err := pki.NewAuthority(root)
	must(t, err)
	issue := func(name string, days int) *pki.Pair {
		tmpl := lasts(days)
		tmpl.Subject, tmpl.DNS = "CN="+name, []string{name + ".example"}
		p, err := ca.Issue(tmpl)
		must(t, err)
		return p
	}
	own, peer := issue("alice", 40), issue("sg1", 100)
	key, err := pki.KeyPEM(own.Key)
	must(t, err)
	crl, err := ca.CRL(pki.CRL{Number: 7, From: certStart, To: certStart.Add(4 * certDay)})
	must(t, err)
	dir := t.TempDir()
	for name, body := range map[string][]byte{
		"alice.crt": pki.CertPEM(own.Cert, ca.Cert), "alice.key": key, "ca.crt": pki.CertPEM(ca.Cert), "ca.crl": pki.CRLPEM(crl),
		"a.yaml": []byte(`node: {name: alice}
identities: {outer: {id: alice.example, cert: alice.crt, key: alice.key, ca: ca.crt, crl: ca.crl}}
peers: {sg1: {address: 192.0.2.1, id: sg1.example}}
`),
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), body, 0o600))
	}
	cfg, err := config.LoadWith(filepath.Join(dir, "a.yaml"), config.Options{Now: certStart})
	must(t, err)
	n, err := New(cfg, Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	s, err := n.setUp(cfg)
	must(t, err)
	n.stores = s.stores
	n.ike, err = ike.New(ike.Options{AllocSPI: n.sad.Reserve, FreeSPI: n.sad.Release})
	must(t, err)
	n.nest = emptyTree()
	return n, peer
}

func TestCertificatesAreListed(t *testing.T) {
	n, _ := certNode(t, new(bytes.Buffer))
	var got []string
	for _, c := range n.certificates(certStart.Add(36*time.Hour), false) {
		got = append(got, strings.Join([]string{c.Kind, c.Identity, c.Subject, c.Issuer, strings.Join(c.SANs, " "), fmt.Sprint(c.DaysLeft), filepath.Base(c.File)}, "|"))
		if c.Serial == "" || c.SecondsLeft != c.NotAfter.Sub(certStart).Seconds()-36*3600 || (c.Key == "") != (c.Kind == "crl") || !c.NotBefore.Equal(certStart) {
			t.Errorf("%+v", c)
		}
	}
	want := []string{
		"own|outer|CN=alice|CN=root|alice.example|38|alice.crt",
		"issuer|outer|CN=root|CN=root||398|alice.crt",
		"ca|outer|CN=root|CN=root||398|ca.crt",
		"crl|outer||CN=root||2|ca.crl",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCertificatesAreWarnedOfOnce goes through a year, an hour a step: one line
// for each threshold, at its time.
func TestCertificatesAreWarnedOfOnce(t *testing.T) {
	var log bytes.Buffer
	n, peer := certNode(t, &log)
	n.knowCerts(certStart)
	var got []string
	for h := range 370 * 24 {
		now := certStart.Add(time.Duration(h) * time.Hour)
		if h%90 == 0 && now.Before(peer.Cert.NotAfter) { // the peer comes again and again
			id, err := ike.ParseID("sg1.example")
			must(t, err)
			n.sessionUp(ike.SessionUp{ID: 1, Name: "sg1", Initiator: true, Remote: id, Certificate: peer.Cert}, now)
		}
		n.watchCerts(now)
		n.watchCerts(now.Add(time.Minute))
		for line := range strings.Lines(log.String()) {
			if _, text, ok := strings.Cut(line, "level=WARN msg=\""); ok {
				text, _, _ = strings.Cut(text, "\"")
				got = append(got, fmt.Sprintf("%d.%02d %s", h/24, h%24, text[:strings.LastIndex(text, ":")]))
			}
		}
		log.Reset()
	}
	want := []string{
		"2.01 revocation list of identity outer expires in 47h0m0s",
		"3.01 revocation list of identity outer expires in 23h0m0s",
		"4.00 revocation list of identity outer has expired on 2026-06-05T00:00:00Z",
		"20.01 certificate of identity outer expires in 19 days",
		"33.01 certificate of identity outer expires in 6 days",
		"39.01 certificate of identity outer expires in 23h0m0s",
		"40.00 certificate of identity outer has expired on 2026-07-11T00:00:00Z",
		"71.06 certificate of peer sg1 expires in 28 days",
		"93.18 certificate of peer sg1 expires in 6 days",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCertWarnings: the status says what is about to end as long as it is.
func TestCertWarnings(t *testing.T) {
	n, _ := certNode(t, new(bytes.Buffer))
	if w := n.certWarnings(certStart); len(w) != 0 {
		t.Errorf("at first it warns of %q", w)
	}
	for range 2 {
		w := n.certWarnings(certStart.Add(35 * certDay))
		if len(w) != 2 || !strings.HasPrefix(w[0], "certificate of identity outer expires in 5 days: CN=alice, ") || !strings.HasSuffix(w[0], "alice.crt") ||
			!strings.HasPrefix(w[1], "revocation list of identity outer has expired on 2026-06-05T00:00:00Z: CN=root, ") {
			t.Errorf("it warns of %q", w)
		}
	}
}

// TestAcceptedAreWarnedOfByID: an accept entry has many peers.
func TestAcceptedAreWarnedOfByID(t *testing.T) {
	n, peer := certNode(t, new(bytes.Buffer))
	id, err := ike.ParseID("sg1.example")
	must(t, err)
	c := n.peerCert(peerOf{name: "road", id: id}, peer.Cert, certStart.Add(98*certDay))
	if !c.Accepted || c.Peer != "road" || c.PeerID != "sg1.example" || c.Warning != "certificate of sg1.example expires in 2 days: CN=sg1" {
		t.Errorf("%+v", c)
	}
	if !n.markCert(c, certStart.Add(98*certDay)) || n.markCert(c, certStart.Add(98*certDay)) {
		t.Error("it is not told of once")
	}
	other := control.Certificate{Kind: "peer", PeerID: "other.example", Warning: "x", Issuer: c.Issuer, Serial: c.Serial, NotAfter: certStart}
	if !n.markCert(other, certStart) {
		t.Error("one certificate hides another")
	}
}
