package itest

import (
	"strings"
	"testing"
	"time"

	"warren/lab"
)

// TestChildlessStrongSwan: either end opens a session without a child SA, which
// comes afterwards, where strongSwan takes nothing else.
func TestChildlessStrongSwan(t *testing.T) {
	need(t, "swanctl")
	t.Run("responder", func(t *testing.T) {
		w := newWorld(t, 1)
		g := w.Gateways[0]
		must(t, g.Forward(w.ctx))
		cc := w.CharonGateway(g)
		cc.Childless, cc.ESP = true, "aes128gcm16-x25519"
		ch, err := g.StartCharon(w.ctx, cc)
		must(t, err)
		c := impatient(w.SenderConfig(1, false))
		c.RetryMin = 100 * time.Millisecond
		c.Peer("sg1").Childless = "force"
		c.Peer("sg1").Profile = &lab.Profile{ESP: []string{"aes128gcm16-x25519"}}
		alice := w.start(w.Sender, c)
		w.pings(10)
		w.command(alice, "rekey", "web")
		w.pings(3)
		if sas := w.listSAs(ch); len(sas) != 1 || lab.Installed(sas) != 1 {
			t.Errorf("strongSwan: %+v, want one IKE SA with one child SA", sas)
		}
		w.command(alice, "down", "web")
		w.noCharonSAs(1, ch)
		must(t, alice.Stop())

		c.Peer("sg1").Childless = ""
		c.RetryMin = time.Minute
		alice = w.start(w.Sender, c)
		if out, err := alice.Command(w.ctx, "up", "web"); err == nil {
			t.Errorf("strongSwan takes a child SA in IKE_AUTH:\n%s", out)
		}
	})
	t.Run("initiator", func(t *testing.T) {
		w := newWorld(t, 1)
		g := w.Gateways[0]
		sg1 := w.start(g.Node, w.GatewayConfig(g))
		client, err := w.Sender.StartCharon(w.ctx, lab.CharonConfig{LocalID: lab.SenderID, RemoteID: lab.GatewayID("sg1"),
			PSK: lab.SecretOf("sg1"), Local: w.SenderAddr.String(), Remote: g.Addr.String(), VirtIPs: []string{"0.0.0.0"},
			RemoteTS: []string{"0.0.0.0/0"}, Childless: true})
		must(t, err)
		must(t, client.Initiate(w.ctx))
		w.pings(10)
		st, err := sg1.Client().Status(w.ctx)
		must(t, err)
		if len(st.Accepted) != 1 || !strings.HasPrefix(st.Accepted[0].VirtualIP, "10.99.1.") {
			t.Errorf("sg1 accepted %+v", st.Accepted)
		}
		must(t, client.Terminate(w.ctx))
		w.noSAs(sg1)
	})
}
