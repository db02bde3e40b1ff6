package itest

import (
	"testing"

	"warren/lab"
)

// TestLargeHandshakes brings up a chain of four over a link of 1280 octets, whose
// layers exchange keys by ECP-384 and ML-KEM-1024 and show certificates of 4 kB: IKE
// takes its messages apart for each layer's own MTU, so that nobody sends IP
// fragments (RFC 7383, Section 2.5.1).
func TestLargeHandshakes(t *testing.T) {
	w := newWorld(t, 4)
	creds, err := newCredentials()
	must(t, err)
	client, gateway, err := creds.of(row{auth: "ECDSA", beside: asBig}, "big")
	must(t, err)
	client.Name, gateway.Name = "cert", "cert"
	profile := &lab.Profile{IKE: []string{"aes256gcm16-prfsha512-ecp384-ke1_mlkem1024"}}

	captures := []*lab.Capture{w.fragments(w.Sender)}
	for _, g := range w.Gateways {
		c := w.GatewayConfig(g)
		c.Profile, c.ID, c.PSK, c.Identities, c.Accept[0].Identity = profile, "", "", []lab.Identity{gateway}, "cert"
		w.start(g.Node, c)
		captures = append(captures, w.fragments(g.Node))
	}
	for _, end := range [][2]*lab.Node{{w.Sender, w.Router}, {w.Router, w.Sender}} {
		must(t, end[0].IP(w.ctx, "link set "+lab.Device(end[1])+" mtu 1280"))
	}
	c := w.SenderConfig(4, false)
	c.Profile, c.Identities = profile, []lab.Identity{client}
	for i := range c.Peers {
		c.Peers[i].Identity, c.Peers[i].PSK, c.Peers[i].ID = "cert", "", gateway.ID
	}
	alice := w.start(w.Sender, c)
	w.command(alice, "up", "web")
	w.pings(3)
	sas, err := alice.Client().IKE(w.ctx)
	must(t, err)
	for _, s := range sas {
		if !s.Fragments || s.Proposal != profile.IKE[0] {
			t.Errorf("layer %d: %s, fragments %v", s.Layer, s.Proposal, s.Fragments)
		}
	}
	if len(sas) != 4 {
		t.Errorf("%d IKE SAs, want 4", len(sas))
	}
	for _, cap := range captures {
		must(t, cap.Stop())
		if f := frames(t, cap.File); len(f) > 0 {
			t.Errorf("%d IP fragments in %s", len(f), cap.File)
		}
	}
}

// fragments captures IP fragments on the link of a node to the router.
func (w *world) fragments(n *lab.Node) *lab.Capture {
	w.t.Helper()
	c, err := n.Capture(lab.Device(w.Router), "ip[6:2] & 0x3fff != 0")
	must(w.t, err)
	return c
}
