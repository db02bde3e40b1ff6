package itest

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
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
		w.neverDown(g)
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

// TestStrongSwanGatewayReauth authenticates a chain anew whose middle gateway is
// strongSwan, until that does not know the secret any more: the session that there
// is stays, and status and events tell why there is no other.
func TestStrongSwanGatewayReauth(t *testing.T) {
	need(t, "swanctl")
	w := newWorld(t, 3)
	gateways := []*lab.Warren{w.start(w.Gateways[0].Node, w.GatewayConfig(w.Gateways[0])), w.start(w.Gateways[2].Node, w.GatewayConfig(w.Gateways[2]))}
	sg2 := w.charon(w.Gateways[1])
	alice := w.start(w.Sender, w.SenderConfig(3, false))
	events := alice.Events(w.ctx)
	w.command(alice, "up", "web")
	before, from := chainOf(w, alice), events.Len()
	s, err := w.Sender.StartStream(w.Receiver, netip.AddrPortFrom(w.ReceiverAddr, iperfPort), 1000)
	must(t, err)
	w.command(alice, "reauth", "web")
	w.command(alice, "reauth", "web")
	st := s.Stop()
	t.Logf("%d packets sent, %d there, %d back", st.Sent, st.There, st.Back)
	// strongSwan sends on its new SA at once: before warren has read what makes one here.
	early := uint64(20)
	if st.There != st.Sent || st.Back+early < st.Sent || st.TwiceThere+st.TwiceBack != 0 || st.Sent < 2000 {
		t.Errorf("want all of thousands, each once: %+v", st)
		w.whereabouts(append(gateways, alice))
	}
	w.authenticatedAnew(before, alice, events.Since(from))
	if sas := w.listSAs(sg2); len(sas) != 1 || lab.Installed(sas) != 1 {
		t.Errorf("sg2: %+v, want one IKE SA with one child SA", sas)
	}

	forgetSecret(w, w.Gateways[1].Node, sg2)
	from = events.Len()
	out, err := alice.Command(w.ctx, "reauth", "web")
	if err == nil {
		t.Fatalf("reauth succeeds:\n%s", out)
	}
	checkReason(t, "the error of reauth", out+err.Error(), 2, "sg2", []string{"AUTHENTICATION_FAILED"})
	ev, err := events.Wait(from, quick, is(control.EventReauthFailed, 2))
	must(t, err)
	checkReason(t, "the event", fmt.Sprintf("layer %d (%s): %s", ev.Layer, ev.Peer, ev.Reason), 2, "sg2", []string{"AUTHENTICATION_FAILED", "tried again at"})
	if l := chainOf(w, alice).Layers[1]; l.State != control.StateUp || l.Reason != ev.Reason {
		t.Errorf("status: %+v, want the reason %q", l, ev.Reason)
	}
	w.pings(5)
}

// forgetSecret has strongSwan take another pre-shared key.
func forgetSecret(w *world, n *lab.Node, ch *lab.Charon) {
	w.t.Helper()
	const file = "swanctl/swanctl.conf"
	b, err := os.ReadFile(n.Path(file))
	must(w.t, err)
	other := bytes.ReplaceAll(b, []byte(`secret = "`), []byte(`secret = "no more `))
	must(w.t, n.WriteFile(file, string(other)))
	_, err = ch.Swanctl(w.ctx, "--load-creds", "--clear", "--noprompt")
	must(w.t, err)
}

// TestStrongSwanReauthenticates has strongSwan authenticate itself anew to warren,
// in both of its ways. Make before break loses nothing.
func TestStrongSwanReauthenticates(t *testing.T) {
	need(t, "swanctl")
	for name, breaks := range map[string]bool{"make before break": false, "break before make": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			g := w.Gateways[0]
			sg1 := w.start(g.Node, w.GatewayConfig(g))
			client, err := w.Sender.StartCharon(w.ctx, lab.CharonConfig{LocalID: lab.SenderID, RemoteID: lab.GatewayID("sg1"),
				PSK: lab.SecretOf("sg1"), Local: w.SenderAddr.String(), Remote: g.Addr.String(), VirtIPs: []string{"0.0.0.0"},
				RemoteTS: []string{"0.0.0.0/0"}, Reauth: 3 * time.Second, BreakBeforeMake: breaks})
			must(t, err)
			must(t, client.Initiate(w.ctx))
			before := w.onlyAccepted(sg1)
			from := number(w.listSAs(client)[0].ID)
			ping, err := w.Sender.StartPing("ping-reauth", w.ReceiverAddr, 20*time.Millisecond)
			must(t, err)
			must(t, lab.Poll(patient, func() error {
				if sas := w.listSAs(client); len(sas) != 1 || number(sas[0].ID) < from+3 || lab.Installed(sas) != 1 {
					return errNotYet
				}
				return nil
			}))
			st, err := ping.Stop()
			must(t, err)
			t.Logf("%d of %d pings lost", st.Lost(), st.Sent)
			if st.Sent < 100 || !breaks && st.Lost() != 0 || st.Lost() > st.Sent/2 {
				t.Errorf("%d of %d pings lost", st.Lost(), st.Sent)
			}
			if after := w.onlyAccepted(sg1); after.VirtualIP != before.VirtualIP || after.SPIIn == before.SPIIn {
				t.Errorf("sg1 accepted %+v, and %+v before", after, before)
			}
			if !breaks {
				w.neverDown(sg1)
			}
			w.pings(3)
		})
	}
}

// onlyAccepted is the one session that a gateway has accepted.
func (w *world) onlyAccepted(g *lab.Warren) control.Accepted {
	w.t.Helper()
	must(w.t, g.WaitAccepted(w.ctx, 1, quick))
	st, err := g.Client().Status(w.ctx)
	must(w.t, err)
	return st.Accepted[0]
}

// neverDown checks that no session that a gateway accepted went down.
func (w *world) neverDown(g *lab.Warren) {
	w.t.Helper()
	h, err := g.Client().History(w.ctx)
	must(w.t, err)
	for _, ev := range h {
		if ev.Kind == control.EventAcceptedDown {
			w.t.Errorf("%s: %+v", g.Name, ev)
		}
	}
}
