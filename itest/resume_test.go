package itest

import (
	"fmt"
	"testing"
	"time"

	"warren/lab"
)

// TestResume interrupts a chain of four whose layers are keyed by two key exchanges,
// and has it come back by tickets (RFC 5723): with one round trip less in each
// layer, and the same addresses.
func TestResume(t *testing.T) {
	w := newWorld(t, 4)
	profile := &lab.Profile{IKE: []string{"aes256gcm16-prfsha384-x25519-ke1_ecp256"}}
	var gateways []*lab.Warren
	for _, g := range w.Gateways {
		c := w.GatewayConfig(g)
		c.Profile = profile
		gateways = append(gateways, w.start(g.Node, c))
	}
	c := w.SenderConfig(4, false)
	c.Profile, c.Liveness, c.RetryMin = profile, time.Second, time.Minute
	c.Retransmit = &lab.Retransmit{Tries: 3, Base: 200 * time.Millisecond}
	alice := w.start(w.Sender, c)

	requests := func() uint64 { // and answers, of this node
		return w.points(alice)["control"]
	}
	before := requests()
	w.command(alice, "up", "web")
	first := requests() - before
	was := chainOf(w, alice)
	w.pings(3)

	cut(w, true)
	must(t, lab.Poll(patient, func() error { // degraded or failed, as the layers find out
		if sas, err := alice.Client().IKE(w.ctx); err != nil || len(sas) > 0 {
			return fmt.Errorf("%d IKE SAs, %w", len(sas), err)
		}
		return nil
	}))
	cut(w, false)
	before = requests()
	w.command(alice, "up", "web")
	again := requests() - before
	t.Logf("%d requests at first, %d to come back", first, again)
	if first != 4*3 || again != 4*2 {
		t.Errorf("%d requests at first and %d to come back, want 12 and 8", first, again)
	}
	w.pings(3)
	is := chainOf(w, alice)
	for i, l := range is.Layers {
		if l.VirtualIP != was.Layers[i].VirtualIP || l.SPIIn == was.Layers[i].SPIIn {
			t.Errorf("layer %d has %s and %s, and had %s and %s", l.Layer, l.VirtualIP, l.SPIIn, was.Layers[i].VirtualIP, was.Layers[i].SPIIn)
		}
	}
	for _, d := range append(gateways, alice) {
		sas, err := d.Client().IKE(w.ctx)
		must(t, err)
		for _, s := range sas {
			if !s.Resumed {
				t.Errorf("%s: not resumed: %+v", d.Name, s)
			}
		}
	}
}

// cut has the router drop everything, or no more.
func cut(w *world, off bool) {
	w.t.Helper()
	script := "delete table inet cut"
	if off {
		script = "add table inet cut; add chain inet cut in { type filter hook prerouting priority 0; policy drop; }"
	}
	_, err := w.Router.Run(w.ctx, "nft", script)
	must(w.t, err)
}
