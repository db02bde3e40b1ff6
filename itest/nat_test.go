package itest

import (
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// TestBehindNAT has a sender whose address and ports the router changes, and
// several workers everywhere: the SAs are rekeyed under a ping and under TCP by
// many streams each way, and nothing is lost of the one or refused of the other.
func TestBehindNAT(t *testing.T) {
	w := newWorld(t, 3)
	sg1 := w.Gateways[0]
	w.masquerade(lab.Device(sg1.Node))
	m := mode(t)
	if m.Workers == 0 {
		m.Workers = 3
	}
	quickly := &lab.Profile{RekeyChild: 2 * time.Second, RekeyIKE: 5 * time.Second}
	begin := func(n *lab.Node, c lab.Config) *lab.Warren {
		c.Mode, c.Profile = m, quickly
		return w.start(n, c)
	}
	daemons := []*lab.Warren{begin(w.Receiver, w.ReceiverConfig())}
	for _, g := range w.Gateways {
		daemons = append(daemons, begin(g.Node, w.GatewayConfig(g)))
	}
	alice := begin(w.Sender, w.SenderConfig(3, true))
	events := alice.Events(w.ctx)
	w.pings(3)
	ping, err := w.Sender.StartPing("ping-nat", w.ReceiverAddr, 20*time.Millisecond)
	must(t, err)
	_, err = w.Receiver.StartIperfServer(iperfPort)
	must(t, err)
	_, err = w.Sender.Iperf(w.ctx, w.ReceiverAddr, iperfPort, "--parallel", "4", "--time", "4", "--bidir", "--bitrate", "2M")
	must(t, err)
	for layer := 1; layer <= 4; layer++ {
		_, err = events.Wait(0, patient, is(control.EventRekey, layer))
		must(t, err)
	}
	st, err := ping.Stop()
	must(t, err)
	if st.Lost() != 0 || st.Sent < 100 {
		t.Errorf("%d of %d pings were lost", st.Lost(), st.Sent)
	}
	gst, err := daemons[1].Client().Status(w.ctx)
	must(t, err)
	if len(gst.Accepted) != 1 || gst.Accepted[0].Remote == w.SenderAddr.String() {
		t.Errorf("sg1 accepted %+v, want one session from behind the NAT", gst.Accepted)
	}
	for _, d := range append(daemons, alice) {
		for _, reason := range []string{"replay", "auth-failed", "wrong-layer", "no-sa"} {
			if n := w.drops(d)[reason]; n > 0 {
				t.Errorf("%s refused %d packets as %s", d.Name, n, reason)
			}
		}
	}
}

// masquerade makes the router a NAT for what leaves by a device.
func (w *world) masquerade(device string) {
	w.t.Helper()
	_, err := w.Router.Run(w.ctx, "nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "+
		"add rule ip nat post oifname "+device+" udp sport { 500, 4500 } masquerade to :20000-30000 random")
	must(w.t, err)
}

// TestRekeyCommand replaces the SAs of a whole chain under a ping, without losing
// any.
func TestRekeyCommand(t *testing.T) {
	w := newWorld(t, 3)
	w.gateways(3)
	w.start(w.Receiver, w.ReceiverConfig())
	alice := w.start(w.Sender, w.SenderConfig(3, true))
	if out, err := alice.Command(w.ctx, "rekey", "web"); err == nil {
		t.Errorf("rekey of a chain that is down succeeds: %s", out)
	}
	w.pings(2)
	before := chainOf(w, alice)
	ping, err := w.Sender.StartPing("ping-rekeyed", w.ReceiverAddr, 20*time.Millisecond)
	must(t, err)
	w.command(alice, "rekey", "web")
	after := chainOf(w, alice)
	w.pings(5)
	st, err := ping.Stop()
	must(t, err)
	if st.Lost() != 0 {
		t.Errorf("%d of %d pings were lost", st.Lost(), st.Sent)
	}
	for i, l := range after.Layers {
		if old := before.Layers[i]; l.SPIIn == old.SPIIn || l.SPIOut == old.SPIOut || l.Rekeys != old.Rekeys+1 {
			t.Errorf("layer %d is %+v, was %+v", l.Layer, l, old)
		}
	}
}
