package itest

import (
	"strings"
	"testing"

	"warren/lab"
	"warren/pki"
)

// TestWrongPassword: a user with another password is let in nowhere, and both ends
// say so, without the password.
func TestWrongPassword(t *testing.T) {
	const good, wrong = "her own password", "a wrong password"
	creds, err := newCredentials()
	must(t, err)
	pair, err := creds.authority.Issue(pki.Template{DNS: []string{"sg1.example"}})
	must(t, err)
	key, err := pki.KeyPEM(pair.Key)
	must(t, err)
	ca := pki.CertPEM(creds.authority.Cert)
	for _, who := range []string{byWarren, byStrongSwan} {
		t.Run(who, func(t *testing.T) {
			w := newWorld(t, 1)
			var gateway interface{ Output() string }
			if g := w.Gateways[0]; who == byWarren {
				c := w.GatewayConfig(g)
				c.ID, c.Identities = "", []lab.Identity{{Name: "gw", ID: "sg1.example", Cert: pki.CertPEM(pair.Cert), Key: key}}
				c.Accept[0].Identity, c.Accept[0].IDs, c.Accept[0].User = "gw", []string{"alice"}, &lab.EAP{User: "alice", Password: good}
				gateway = w.start(g.Node, c)
			} else {
				must(t, g.Forward(w.ctx))
				cc := w.CharonGateway(g)
				cc.PSK, cc.Cert, cc.Key, cc.EAP = "", pki.CertPEM(pair.Cert), key, &lab.EAP{User: "alice", Password: good}
				ch, err := g.StartCharon(w.ctx, cc)
				must(t, err)
				gateway = ch
			}
			for _, password := range []string{wrong, good} {
				c := impatient(w.SenderConfig(1, false))
				c.Identities = []lab.Identity{{Name: "user", ID: "alice.example", CA: ca, EAP: &lab.EAP{User: "alice", Password: password}}}
				c.Peer("sg1").Identity, c.Peer("sg1").PSK = "user", ""
				alice := w.start(w.Sender, c)
				out, err := alice.Command(w.ctx, "up", "web")
				if password == good {
					must(t, err)
					w.pings(3)
				} else if err == nil || !strings.Contains(out+err.Error(), "the user name or the password is wrong") {
					t.Errorf("up says %v:\n%s", err, out)
				}
				must(t, alice.Stop())
				for _, log := range []string{alice.Output(), gateway.Output()} {
					if strings.Contains(log, password) {
						t.Errorf("the password is in the log:\n%s", log)
					}
				}
			}
			if who == byWarren && !strings.Contains(gateway.Output(), "EAP: user alice: the user name or the password is wrong") {
				t.Errorf("the gateway says:\n%s", gateway.Output())
			}
		})
	}
}
