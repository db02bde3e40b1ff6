package itest

import (
	"net/netip"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// secondAddr is another address of the receiver, reached through sg4.
const secondAddr = "203.0.113.78"

// TestSharedTunnels has two chains that differ in the last gateway only.
func TestSharedTunnels(t *testing.T) {
	w := newWorld(t, 4)
	must(t, w.Receiver.IP(w.ctx, "addr add "+secondAddr+"/26 dev "+lab.Device(w.Gateways[2].Node)))
	gateways := w.gateways(4)
	c := w.SenderConfig(4, false)
	c.Transport = []lab.TransportRule{
		{Name: "first", Match: "dst: " + w.ReceiverAddr.String(), Action: "plain"},
		{Name: "second", Match: "dst: " + secondAddr, Action: "plain"},
	}
	c.Tunnel = []lab.TunnelRule{
		{Match: "dst: " + w.ReceiverAddr.String(), Via: "sg3"}, {Match: "dst: " + secondAddr, Via: "sg4"},
		{Match: "dst: [sg3, sg4]", Via: "sg2"}, {Match: "dst: sg2", Via: "sg1"},
	}
	alice := w.start(w.Sender, c)
	events := alice.Events(w.ctx)
	both := make(chan error, 2)
	for _, chain := range []string{"first", "second"} { // at once: neither may build what the other builds
		go func() {
			_, err := alice.Command(w.ctx, "up", chain)
			both <- err
		}()
	}
	must(t, <-both)
	must(t, <-both)
	for _, g := range gateways {
		must(t, g.WaitAccepted(w.ctx, 1, quick))
	}
	if got := len(events.All()); got == 0 {
		t.Error("no events")
	}
	checkShared(t, w, alice)

	ping, err := w.Sender.StartPing("ping-second", netip.MustParseAddr(secondAddr), 10*time.Millisecond)
	must(t, err)
	w.pings(5)
	from := events.Len()
	w.command(alice, "down", "first")
	if got := picked(events.Since(from), control.EventLayerDown); got != "3 sg3" {
		t.Errorf("down took [%s] away, want [3 sg3] only", got)
	}
	w.noSAs(gateways[2])
	st, err := w.Sender.Ping(w.ctx, netip.MustParseAddr(secondAddr), 20, 20*time.Millisecond)
	must(t, err)
	if st.Lost() != 0 {
		t.Errorf("after down: %d pings lost", st.Lost())
	}
	all, err := ping.Stop()
	must(t, err)
	if all.Lost() != 0 || all.Sent < 20 {
		t.Errorf("the other chain lost %d of %d pings, want 0", all.Lost(), all.Sent)
	}
	for _, i := range []int{0, 1, 3} {
		must(t, gateways[i].WaitAccepted(w.ctx, 1, quick))
	}
	w.command(alice, "down", "second")
	for _, g := range gateways {
		w.noSAs(g)
	}
}

// checkShared wants the two chains to have the same SAs at layers 1 and 2.
func checkShared(t *testing.T, w *world, alice *lab.Warren) {
	t.Helper()
	first, err := alice.Chain(w.ctx, "first")
	must(t, err)
	second, err := alice.Chain(w.ctx, "second")
	must(t, err)
	if len(first.Layers) != 3 || len(second.Layers) != 3 {
		t.Fatalf("chains with %d and %d layers, want 3 each", len(first.Layers), len(second.Layers))
	}
	for i := range 3 {
		same := first.Layers[i].SPIIn == second.Layers[i].SPIIn
		if same != (i < 2) {
			t.Errorf("layer %d: SPIs %s and %s", i+1, first.Layers[i].SPIIn, second.Layers[i].SPIIn)
		}
	}
}

// TestGatewayKilled kills the middle gateway in mid-traffic and brings it back.
func TestGatewayKilled(t *testing.T) {
	w := newWorld(t, 3)
	gateways := w.gateways(3)
	w.start(w.Receiver, w.ReceiverConfig())
	c := w.SenderConfig(3, true)
	c.Liveness = time.Second
	c.Retransmit = &lab.Retransmit{Tries: 3, Base: 300 * time.Millisecond}
	c.RetryMin, c.RetryMax = 200*time.Millisecond, time.Second
	alice := w.start(w.Sender, c)
	events := alice.Events(w.ctx)
	w.pings(3)
	before, err := alice.Chain(w.ctx, "web")
	must(t, err)
	ping, err := w.Sender.StartPing("ping-through", w.ReceiverAddr, 50*time.Millisecond)
	must(t, err)

	from := events.Len()
	gateways[1].Kill()
	_, err = events.Wait(from, patient, is(control.EventLayerDown, 2))
	must(t, err)
	if got, want := picked(events.Since(from), control.EventLayerDown), "4 bob, 3 sg3, 2 sg2"; got != want {
		t.Errorf("layers went down as [%s], want [%s]", got, want)
	}
	w.start(w.Gateways[1].Node, w.GatewayConfig(w.Gateways[1]))
	must(t, alice.WaitChain(w.ctx, "web", control.StateUp, patient))
	w.pings(5)
	after, err := alice.Chain(w.ctx, "web")
	must(t, err)
	if before.Layers[0].SPIIn != after.Layers[0].SPIIn || before.Layers[0].SPIOut != after.Layers[0].SPIOut {
		t.Errorf("layer 1 changed from %+v to %+v, it had nothing to do with it", before.Layers[0], after.Layers[0])
	}
	for i := 1; i < 4; i++ {
		if before.Layers[i].SPIIn == after.Layers[i].SPIIn {
			t.Errorf("layer %d is still the old one", i+1)
		}
	}
	st, err := ping.Stop()
	must(t, err)
	if st.Received == 0 {
		t.Errorf("the running ping never came through: %d sent", st.Sent)
	}
}
