package itest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// TestReauthUnderLoad carries a stream of UDP through three tunnels while each, the
// outermost first, is authenticated anew, by command and by its age: nothing is
// lost, nothing comes twice, and the leases stay.
func TestReauthUnderLoad(t *testing.T) {
	w := newWorld(t, 3)
	gateways := w.gateways(3)
	c := w.SenderConfig(3, false)
	c.Profile = &lab.Profile{Reauth: 6 * time.Second}
	alice := w.start(w.Sender, c)
	events := alice.Events(w.ctx)
	w.command(alice, "up", "web")
	before, from := chainOf(w, alice), events.Len()

	s, err := w.Sender.StartStream(w.Receiver, netip.AddrPortFrom(w.ReceiverAddr, iperfPort), 1000)
	must(t, err)
	w.command(alice, "reauth", "web")
	for layer := 1; layer <= 3; layer++ { // at its age
		_, err := events.Wait(from+3, patient, is(control.EventReauth, layer))
		must(t, err)
	}
	st := s.Stop()
	t.Logf("%d packets sent, %d there, %d back", st.Sent, st.There, st.Back)
	if st.There != st.Sent || st.Back != st.Sent || st.TwiceThere+st.TwiceBack != 0 || st.Sent < 3000 {
		t.Errorf("want all of thousands, each once: %+v", st)
		w.whereabouts(append(gateways, alice))
	}
	w.authenticatedAnew(before, alice, events.Since(from))
	for i, g := range gateways {
		must(t, g.WaitAccepted(w.ctx, 1, quick))
		if ike, err := g.Client().IKE(w.ctx); err != nil || len(ike) != 1 {
			t.Errorf("sg%d: %+v %v, want one session", i+1, ike, err)
		}
		if h, err := g.Client().History(w.ctx); err != nil || slices.ContainsFunc(h, func(e control.Event) bool { return e.Kind == control.EventAcceptedDown }) {
			t.Errorf("sg%d lost its session: %+v %v", i+1, h, err)
		}
	}
}

// authenticatedAnew checks that each layer has other SAs and the same addresses, and
// that nothing else happened to the chain.
func (w *world) authenticatedAnew(before control.Chain, alice *lab.Warren, events []control.Event) {
	w.t.Helper()
	for _, ev := range events {
		if ev.Kind != control.EventReauth {
			w.t.Errorf("event beside reauthentications: %+v", ev)
		}
	}
	for i, l := range chainOf(w, alice).Layers {
		old := before.Layers[i]
		if l.Reauths < 2 || l.Reason != "" || l.SPIIn == old.SPIIn || l.SPIOut == old.SPIOut || l.VirtualIP != old.VirtualIP || l.Local != old.Local {
			w.t.Errorf("layer %d is %+v, was %+v", l.Layer, l, old)
		}
	}
}
