package itest

import (
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
	"warren/pki"
)

// TestReloadRevokes has a gateway learn of a revoked certificate while its owner
// is in: the session ends, and he does not come in again. Everybody else stays.
func TestReloadRevokes(t *testing.T) {
	w := newWorld(t, 1)
	ca, err := pki.NewAuthority(pki.Template{Subject: "CN=ca"})
	must(t, err)
	identity := func(name string) (lab.Identity, *big.Int) {
		p, err := ca.Issue(pki.Template{Subject: "CN=" + name, DNS: []string{name}})
		must(t, err)
		key, err := pki.KeyPEM(p.Key)
		must(t, err)
		return lab.Identity{Name: "proven", ID: name, Cert: pki.CertPEM(p.Cert), Key: key, CA: pki.CertPEM(ca.Cert)}, p.Cert.SerialNumber
	}
	g := w.Gateways[0]
	gc := w.GatewayConfig(g)
	own, _ := identity(gc.ID)
	gc.Identities, gc.Accept[0].Identity = []lab.Identity{own}, "proven"
	sg1 := w.start(g.Node, gc)
	c := w.SenderConfig(1, false)
	own, serial := identity(c.ID)
	c.Identities, c.Peers[0].Identity, c.Peers[0].PSK = []lab.Identity{own}, "proven", ""
	alice := w.start(w.Sender, c)
	w.command(alice, "up", "web")
	before := w.spis(alice)

	revoke := func(serials ...*big.Int) {
		der, err := ca.CRL(pki.CRL{Revoked: serials, From: time.Now().Add(-time.Hour), To: time.Now().AddDate(0, 1, 0)})
		must(t, err)
		must(t, os.WriteFile(g.Path("ca.crl"), pki.CRLPEM(der), 0o600))
	}
	revoke(big.NewInt(1))
	w.edit(sg1, "ca: proven.ca", "ca: proven.ca, crl: ca.crl")
	w.command(sg1, "reload")
	if after := w.spis(alice); after != before {
		t.Errorf("another's certificate was revoked: SPIs are %s, were %s", after, before)
	}
	certs := w.command(sg1, "show", "certs")
	for _, want := range []string{"own ", "ca ", "crl ", "peer ", "alice.example", "ca.crl"} {
		if !strings.Contains(certs, want) {
			t.Errorf("show certs lacks %q:\n%s", want, certs)
		}
	}

	revoke(serial)
	if out := w.command(sg1, "reload"); !strings.Contains(out, "sessions ended: alice.example") {
		t.Errorf("reload says %s", out)
	}
	must(t, sg1.WaitAccepted(w.ctx, 0, quick))
	must(t, alice.WaitChain(w.ctx, "web", control.StateFailed, patient))
}
