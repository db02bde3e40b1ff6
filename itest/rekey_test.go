package itest

import (
	"flag"
	"net/netip"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

var rekeyFor = flag.Duration("rekey-for", 3*time.Minute, "how long TestRekeyUnderLoad carries traffic")

// TestRekeyUnderLoad carries a stream of UDP through three tunnels, each of which
// replaces its child SA every 5 seconds and its IKE SA every 20: nothing is
// lost, and nothing comes twice.
func TestRekeyUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	profile := &lab.Profile{RekeyIKE: 20 * time.Second, RekeyChild: 5 * time.Second}
	var gateways []*lab.Warren
	for _, g := range w.Gateways {
		c := w.GatewayConfig(g)
		c.Profile = profile
		gateways = append(gateways, w.start(g.Node, c))
	}
	c := w.SenderConfig(3, false)
	c.Profile = profile
	alice := w.start(w.Sender, c)
	events := alice.Events(w.ctx)
	for _, d := range append(gateways, alice) {
		// What the kernel drops where a busy machine lets a daemon wait is no matter here.
		must(t, d.Node.IP(w.ctx, "link set warren0 txqueuelen 8192"))
	}
	w.command(alice, "up", "web")
	from := events.Len()

	s, err := w.Sender.StartStream(w.Receiver, netip.AddrPortFrom(w.ReceiverAddr, iperfPort), 1000)
	must(t, err)
	time.Sleep(*rekeyFor)
	st := s.Stop()
	t.Logf("%d packets sent, %d there, %d back", st.Sent, st.There, st.Back)
	if st.There != st.Sent || st.Back != st.Sent || st.TwiceThere+st.TwiceBack != 0 {
		t.Errorf("want all of them, each once: %+v", st)
		w.whereabouts(append(gateways, alice))
	}
	if least := uint64(rekeyFor.Seconds()) * 1000 / 2; st.Sent < least {
		t.Errorf("only %d packets sent, want %d", st.Sent, least)
	}
	w.rekeyed(alice, events.Since(from))
}

// rekeyed checks that each layer was rekeyed about as often as it should, that
// no two were at once, and that nothing else happened to the chain.
func (w *world) rekeyed(alice *lab.Warren, events []control.Event) {
	w.t.Helper()
	for _, ev := range events {
		if ev.Kind != control.EventRekey {
			w.t.Errorf("event beside rekeys: %+v", ev)
		}
	}
	chain, err := alice.Chain(w.ctx, "web")
	must(w.t, err)
	sas, err := alice.Client().IKE(w.ctx)
	must(w.t, err)
	for _, l := range chain.Layers {
		if want := uint64(rekeyFor.Seconds() / 5); l.Rekeys < want-want/10 || l.Rekeys > want+want/4+1 {
			w.t.Errorf("layer %d: %d rekeys, want about %d", l.Layer, l.Rekeys, want)
		}
	}
	for _, s := range sas {
		if want := uint64(rekeyFor.Seconds() / 20); s.Rekeys < want-want/10 || s.Rekeys > want+want/4+1 {
			w.t.Errorf("layer %d: %d rekeys of the IKE SA, want about %d", s.Layer, s.Rekeys, want)
		}
	}
}

// whereabouts tells where packets may have been lost: what the daemons dropped,
// and what the kernel did in front of them.
func (w *world) whereabouts(ds []*lab.Warren) {
	w.t.Helper()
	for _, d := range ds {
		for reason, n := range w.drops(d) {
			if n != 0 {
				w.t.Logf("%s: %d packets dropped as %s", d.Name, n, reason)
			}
		}
		out, err := d.Node.Run(w.ctx, "sh", "-c", "ip -s link; cat /proc/net/udp /proc/net/snmp")
		must(w.t, err)
		w.t.Logf("%s:\n%s", d.Name, out)
	}
}
