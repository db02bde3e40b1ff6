package itest

import (
	"strings"
	"testing"
	"time"

	"warren/lab"
)

// oldSuites are those that warren takes only where a profile names them, one of
// each kind that strongSwan's ESP in userspace has. TestInterop has ChaCha20-Poly1305
// and the rest.
var oldSuites = []string{"aes128-sha256", "aes192-sha384", "aes256-sha512", "aes256gcm12", "aes128gcm8"}

// TestSuitePerLayer has another suite in each layer of a chain: packets that fill
// its MTU to the byte come through, and rekeys keep each as it is.
func TestSuitePerLayer(t *testing.T) {
	w := newWorld(t, 3)
	suites := []string{"aes256-sha512-esn", "aes128gcm8", "aes128-sha256", "aes192gcm12-esn"}
	c := w.SenderConfig(3, true)
	for i, name := range []string{"sg1", "sg2", "sg3", "bob"} {
		c.Peer(name).Profile = &lab.Profile{ESP: suites[i : i+1]}
	}
	for _, g := range w.Gateways {
		gc := w.GatewayConfig(g)
		gc.Profile = &lab.Profile{ESP: suites}
		w.start(g.Node, gc)
	}
	bob := w.ReceiverConfig()
	bob.Profile = &lab.Profile{ESP: suites}
	w.start(w.Receiver, bob)
	alice := w.start(w.Sender, c)
	w.pings(5)
	check := func(rekeys uint64) {
		t.Helper()
		for i, l := range chainOf(w, alice).Layers {
			if l.Suite != suites[i] || uint64(l.Rekeys) < rekeys {
				t.Errorf("layer %d has %s after %d rekeys, want %s after %d", l.Layer, l.Suite, l.Rekeys, suites[i], rekeys)
			}
		}
	}
	check(0)
	// 1500 less IP and UDP, IV and header, ICV, what is left of whole blocks, and
	// trailer: 28+24+32+8+2, 28+16+8+2+2, 28+24+16+2+2, and 8+16+12+2+2.
	if got := chainOf(w, alice).MTU; got != 1238 {
		t.Errorf("mtu %d, want 1238", got)
	}
	w.fullPings(w.ReceiverAddr, chainOf(w, alice))
	w.transfer(10 << 20)
	w.command(alice, "rekey", "web")
	w.pings(5)
	check(1)
}

// TestStrongSwanSuites exchanges packets with strongSwan in suites that warren
// uses only where it is told to, with each of the two opening the tunnel.
func TestStrongSwanSuites(t *testing.T) {
	need(t, "swanctl")
	w := newWorld(t, 3)
	w.answeredByStrongSwan()
	w.askedByStrongSwan()
}

func (w *world) answeredByStrongSwan() {
	g := w.Gateways[0]
	must(w.t, g.Forward(w.ctx))
	cc := w.CharonGateway(g)
	cc.ESP = strings.Join(oldSuites, ", ")
	sg1, err := g.StartCharon(w.ctx, cc)
	must(w.t, err)
	for _, suite := range oldSuites {
		c := w.SenderConfig(1, false)
		c.Peer("sg1").Profile = &lab.Profile{ESP: []string{suite}}
		alice := w.start(w.Sender, c)
		w.largePings(suite)
		if got := chainOf(w, alice).Layers[0].Suite; got != suite {
			w.t.Errorf("strongSwan agreed to %s, want %s", got, suite)
		}
		must(w.t, alice.Stop())
	}
	w.noCharonSAs(1, sg1)
}

func (w *world) askedByStrongSwan() {
	g := w.Gateways[1]
	gc := w.GatewayConfig(g)
	gc.Profile = &lab.Profile{ESP: oldSuites}
	sg2 := w.start(g.Node, gc)
	var conns []lab.CharonConfig
	for _, suite := range oldSuites {
		conns = append(conns, lab.CharonConfig{Name: suite, ESP: suite, LocalID: lab.SenderID, RemoteID: lab.GatewayID(g.Name), PSK: lab.SecretOf(g.Name),
			Local: w.SenderAddr.String(), Remote: g.Addr.String(), VirtIPs: []string{"0.0.0.0"}, RemoteTS: []string{"0.0.0.0/0"}})
	}
	client, err := w.Sender.StartStrongSwan(w.ctx, lab.StrongSwan{Connections: conns})
	must(w.t, err)
	for _, suite := range oldSuites {
		must(w.t, client.Initiate(w.ctx, suite))
		w.largePings(suite)
		sas, err := sg2.Client().SAs(w.ctx)
		must(w.t, err)
		if len(sas) != 2 || sas[0].Suite != suite || sas[0].Packets < 3 || sas[1].Packets < 3 {
			w.t.Errorf("sg2: %+v, want two SAs of %s that packets went by", sas, suite)
		}
		must(w.t, client.Terminate(w.ctx, suite))
		w.noSAs(sg2)
	}
}

// largePings sends three that fit strongSwan's tunnel.
func (w *world) largePings(suite string) {
	w.t.Helper()
	st, err := w.Sender.Ping(w.ctx, w.ReceiverAddr, 3, 50*time.Millisecond, "-s", "1299")
	must(w.t, err)
	if st.Lost() != 0 {
		w.t.Errorf("%s: %d of %d pings were lost:\n%s", suite, st.Lost(), st.Sent, st.Output)
	}
}
