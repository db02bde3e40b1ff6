package itest

import (
	"strings"
	"testing"

	"warren/lab"
	"warren/pki"
)

// A talker has a log.
type talker interface{ Output() string }

// eapGateway starts a gateway, by who, that alice may come in to with a password. It
// returns the authority that has issued its certificate.
func (w *world) eapGateway(who, password string) (gateway talker, ca []byte) {
	creds, err := newCredentials()
	must(w.t, err)
	pair, err := creds.authority.Issue(pki.Template{DNS: []string{"sg1.example"}})
	must(w.t, err)
	key, err := pki.KeyPEM(pair.Key)
	must(w.t, err)
	cert, user, ca := pki.CertPEM(pair.Cert), &lab.EAP{User: "alice", Password: password}, pki.CertPEM(creds.authority.Cert)
	g := w.Gateways[0]
	if who == byWarren {
		c := w.GatewayConfig(g)
		c.ID, c.Identities = "", []lab.Identity{{Name: "gw", ID: "sg1.example", Cert: cert, Key: key}}
		c.Accept[0].Identity, c.Accept[0].IDs, c.Accept[0].User = "gw", []string{"alice"}, user
		return w.start(g.Node, c), ca
	}
	must(w.t, g.Forward(w.ctx))
	c := w.CharonGateway(g)
	c.PSK, c.Cert, c.Key, c.EAP = "", cert, key, user
	ch, err := g.StartCharon(w.ctx, c)
	must(w.t, err)
	return ch, ca
}

// eapUser starts alice, by who, asks for the tunnel, and stops her again, after pings
// if it came up. What she says of it is returned. Her node has another name than she.
func (w *world) eapUser(who, password string, ca []byte) (says string, err error) {
	const node = "laptop.example"
	user := &lab.EAP{User: "alice", Password: password}
	if who == byWarren {
		c := impatient(w.SenderConfig(1, false))
		c.Identities = []lab.Identity{{Name: "user", ID: node, CA: ca, EAP: user}}
		c.Peer("sg1").Identity, c.Peer("sg1").PSK = "user", ""
		alice := w.start(w.Sender, c)
		out, err := alice.Command(w.ctx, "up", "web")
		if err == nil {
			w.pings(3)
		}
		must(w.t, alice.Stop())
		return out + alice.Output(), err
	}
	alice, err := w.Sender.StartCharon(w.ctx, lab.CharonConfig{LocalID: node, RemoteID: "sg1.example", CA: ca, EAP: user,
		Local: w.SenderAddr.String(), Remote: w.Gateways[0].Addr.String(), VirtIPs: []string{"0.0.0.0"}, RemoteTS: []string{"0.0.0.0/0"}})
	must(w.t, err)
	if err = alice.Initiate(w.ctx); err == nil {
		w.pings(3)
	}
	must(w.t, alice.Stop())
	return alice.Output(), err
}

// TestWrongPassword: a user with another password is let in nowhere, and both ends
// say so, without the password. Then the right one is let in.
func TestWrongPassword(t *testing.T) {
	need(t, "swanctl", "nsenter", "ip", "ping")
	const good, wrong = "her own password", "a wrong password"
	const wording = "the user name or the password is wrong"
	for name, tt := range map[string]struct{ user, gateway, userSays, gatewaySays string }{
		"warren":               {byWarren, byWarren, wording, "EAP: user alice: " + wording},
		"warren to strongSwan": {byWarren, byStrongSwan, wording, "EAP-MS-CHAPv2 verification failed"},
		"strongSwan to warren": {byStrongSwan, byWarren, "EAP-MS-CHAPv2 failed with error ERROR_AUTHENTICATION_FAILURE", "EAP: user alice: " + wording},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			gateway, ca := w.eapGateway(tt.gateway, good)
			says, err := w.eapUser(tt.user, wrong, ca)
			if err == nil || !strings.Contains(says+err.Error(), tt.userSays) {
				t.Errorf("the user with a wrong password says %v:\n%s", err, says)
			}
			again, err := w.eapUser(tt.user, good, ca)
			must(t, err)
			if !strings.Contains(gateway.Output(), tt.gatewaySays) {
				t.Errorf("the gateway says:\n%s", gateway.Output())
			}
			for _, log := range []string{says, again, gateway.Output()} {
				if strings.Contains(log, wrong) || strings.Contains(log, good) {
					t.Errorf("a password is in the log:\n%s", log)
				}
			}
		})
	}
}
