package itest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// newHome is where the sender moves to.
const newHome = "192.0.2.140"

// moveLoss is how many pings, one each 20 ms, a move may cost: what was under
// way, and half a second of a busy machine.
const moveLoss = 25

// moveUnderPing moves the sender while it pings the receiver, until settled
// returns nil, and reports what was lost.
func (w *world) moveUnderPing(settled func() error) {
	w.t.Helper()
	ping, err := w.Sender.StartPing("ping-move", w.ReceiverAddr, 20*time.Millisecond)
	must(w.t, err)
	must(w.t, w.MoveSender(w.ctx, netip.MustParseAddr(newHome)))
	must(w.t, lab.Poll(quick, settled))
	w.pings(20)
	got, err := ping.Stop()
	must(w.t, err)
	w.t.Logf("the move cost %d of %d pings", got.Lost(), got.Sent)
	if got.Lost() > moveLoss || got.Received == 0 {
		w.t.Errorf("%d of %d pings were lost", got.Lost(), got.Sent)
	}
}

// TestMoveUnderChain changes the sender's address under a chain of four layers:
// the outermost one moves, and the others do not notice.
func TestMoveUnderChain(t *testing.T) {
	w := newWorld(t, 3)
	gateways := w.gateways(3)
	w.start(w.Receiver, w.ReceiverConfig())
	alice := w.start(w.Sender, w.SenderConfig(3, true))
	events := alice.Events(w.ctx)
	w.pings(3)
	before, err := alice.Chain(w.ctx, "web")
	must(t, err)
	from := events.Len()
	w.moveUnderPing(func() error { return at(w, gateways[0], newHome) })

	after, err := alice.Chain(w.ctx, "web")
	must(t, err)
	checkLayers(t, after)
	for i, l := range after.Layers {
		was := before.Layers[i]
		if l.SPIIn != was.SPIIn || l.SPIOut != was.SPIOut || i > 0 && (l.Local != was.Local || l.Remote != was.Remote) {
			t.Errorf("layer %d was %+v, is %+v", i+1, was, l)
		}
	}
	if after.Layers[0].Local != newHome {
		t.Errorf("layer 1 goes out from %s", after.Layers[0].Local)
	}
	if got := lab.Kinds(events.Since(from)); len(got) != 1 || got[0] != "moved 1 sg1" {
		t.Errorf("events: %v, want one move", got)
	}
	for i, g := range gateways[1:] {
		must(t, at(w, g, before.Layers[i+1].Local))
	}
	w.command(alice, "down", "web") // the DELETEs find their way too
	for _, g := range gateways {
		w.noSAs(g)
	}
}

// TestMoveWithout has a gateway that does not know MOBIKE: its layer dies by a
// liveness check, and the chain is built again from the new address.
func TestMoveWithout(t *testing.T) {
	w := newWorld(t, 3)
	c := w.GatewayConfig(w.Gateways[0])
	c.Accept[0].MOBIKE = "false"
	sg1 := w.start(w.Gateways[0].Node, c)
	alice := w.start(w.Sender, w.SenderConfig(1, false))
	events := alice.Events(w.ctx)
	w.pings(1)
	from := events.Len()
	w.command(alice, "up", "web")
	must(t, w.MoveSender(w.ctx, netip.MustParseAddr(newHome)))
	_, err := events.Wait(from, patient, is(control.EventLayerDown, 1))
	must(t, err)
	must(t, alice.WaitChain(w.ctx, "web", control.StateUp, patient))
	w.pings(3)
	must(t, lab.Poll(quick, func() error { return at(w, sg1, newHome) }))
}

// at reports whether a gateway has its client at an address.
func at(w *world, g *lab.Warren, addr string) error {
	st, err := g.Client().Status(w.ctx)
	if err != nil {
		return err
	}
	for _, a := range st.Accepted {
		if a.Remote == addr {
			return nil
		}
	}
	return fmt.Errorf("%s has %+v, want a client at %s", g.Name, st.Accepted, addr)
}

// TestStrongSwanMove has strongSwan follow warren.
func TestStrongSwanMove(t *testing.T) {
	need(t, "swanctl")
	w := newWorld(t, 3)
	must(t, w.Gateways[0].Forward(w.ctx))
	c := w.CharonGateway(w.Gateways[0])
	c.MOBIKE = true
	sg1, err := w.Gateways[0].StartCharon(w.ctx, c)
	must(t, err)
	alice := w.start(w.Sender, w.SenderConfig(1, false))
	events := alice.Events(w.ctx)
	w.pings(3)
	from, sas := events.Len(), w.listSAs(sg1)
	w.moveUnderPing(func() error {
		now := w.listSAs(sg1)
		if len(now) != 1 || now[0].ID != sas[0].ID || now[0].Remote != newHome {
			return fmt.Errorf("strongSwan has %+v, had %+v, want it at %s", now, sas, newHome)
		}
		return nil
	})
	for _, ev := range events.Since(from) {
		if ev.Kind != control.EventMoved && ev.Kind != control.EventRekey { // kernel-libipsec rekeys to move
			t.Errorf("%+v", ev)
		}
	}
	w.command(alice, "down", "web")
	w.noCharonSAs(1, sg1)
}

// TestStrongSwanMoves has warren follow strongSwan.
func TestStrongSwanMoves(t *testing.T) {
	need(t, "swanctl")
	w := newWorld(t, 3)
	g := w.Gateways[0]
	sg1 := w.start(g.Node, w.GatewayConfig(g))
	client, err := w.Sender.StartCharon(w.ctx, lab.CharonConfig{LocalID: lab.SenderID, RemoteID: lab.GatewayID("sg1"),
		PSK: lab.SecretOf("sg1"), Local: "%any", Remote: g.Addr.String(), VirtIPs: []string{"0.0.0.0"},
		RemoteTS: []string{"0.0.0.0/0"}, MOBIKE: true})
	must(t, err)
	must(t, client.Initiate(w.ctx))
	before := w.listSAs(client)
	w.moveUnderPing(func() error { return at(w, sg1, newHome) })
	after := w.listSAs(client)
	if len(after) != 1 || after[0].ID != before[0].ID || after[0].State != "ESTABLISHED" {
		t.Errorf("strongSwan had %+v, has %+v", before, after)
	}
	events, err := sg1.Client().History(w.ctx)
	must(t, err)
	for _, ev := range events {
		if ev.Kind == control.EventAcceptedDown {
			t.Errorf("the move took the session down: %+v", ev)
		}
	}
}
