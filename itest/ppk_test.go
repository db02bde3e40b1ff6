package itest

import (
	"strings"
	"testing"

	"warren/lab"
)

// labPPK is a PPK of 256 bits.
func labPPK(optional bool) *lab.PPK {
	return &lab.PPK{ID: "ppk-of-alice", Secret: "b9S0Yt8W0F2i8Jm0lHf5o1cLw7b1kS2dXo3eUqRzTn4=", Optional: optional}
}

// TestPPKStrongSwanResponder has warren bring PPKs to strongSwan: required and
// optional ones, one that it does not know, and one of another value.
func TestPPKStrongSwanResponder(t *testing.T) {
	need(t, "swanctl")
	for name, tt := range map[string]struct {
		ours, theirs *lab.PPK
		any          bool   // strongSwan insists on no identifier
		want         string // the reason of a failure, "" for a session with it, "plain" for one without
	}{
		"both require it":          {labPPK(false), labPPK(false), false, ""},
		"unknown, both may":        {&lab.PPK{ID: "other", Secret: labPPK(true).Secret, Optional: true}, labPPK(true), true, "plain"},
		"another value":            {&lab.PPK{ID: labPPK(true).ID, Secret: strings.Repeat("0a1f", 16)}, labPPK(true), false, "AUTHENTICATION_FAILED"},
		"strongSwan does not know": {labPPK(false), nil, false, "does not use PPKs"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			g := w.Gateways[0]
			must(t, g.Forward(w.ctx))
			cc := w.CharonGateway(g)
			cc.PPK, cc.AnyPPK = tt.theirs, tt.any
			ch, err := g.StartCharon(w.ctx, cc)
			must(t, err)
			c := impatient(w.SenderConfig(1, false))
			c.Peer("sg1").PPK = tt.ours
			alice := w.start(w.Sender, c)
			if tt.want != "" && tt.want != "plain" {
				out, err := alice.Command(w.ctx, "up", "web")
				if err == nil || !strings.Contains(out+err.Error(), tt.want) {
					t.Errorf("up says %v, want %s:\n%s", err, tt.want, out)
				}
				return
			}
			w.pings(10)
			w.ppkInUse(alice, tt.want == "")
			if sas := w.listSAs(ch); len(sas) != 1 || lab.Installed(sas) != 1 {
				t.Errorf("strongSwan: %+v, want one IKE SA with one child SA", sas)
			}
			w.pings(3)
			w.command(alice, "rekey", "web")
			w.pings(3)
			w.command(alice, "down", "web")
			w.noCharonSAs(1, ch)
		})
	}
}

// ppkInUse wants the only IKE SA to be the second one, at once, if it has a PPK.
func (w *world) ppkInUse(d *lab.Warren, want bool) {
	w.t.Helper()
	err := lab.Poll(quick, func() error {
		sas, err := d.Client().IKE(w.ctx)
		if err != nil {
			return err
		}
		if len(sas) != 1 || sas[0].PPK != want || (sas[0].Rekeys == 1) != want {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		sas, _ := d.Client().IKE(w.ctx)
		w.t.Errorf("%s: %v; %+v, want a PPK: %v", d.Name, err, sas, want)
	}
}

// TestPPKStrongSwanInitiator has strongSwan bring PPKs to warren. It does not rekey
// its first IKE SA, so warren does.
func TestPPKStrongSwanInitiator(t *testing.T) {
	need(t, "swanctl")
	for name, tt := range map[string]struct {
		ours, theirs *lab.PPK
		up, with     bool
	}{
		"both require it":     {labPPK(false), labPPK(false), true, true},
		"unknown, both may":   {labPPK(true), &lab.PPK{ID: "other", Secret: labPPK(true).Secret, Optional: true}, true, false},
		"warren requires one": {labPPK(false), nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			g := w.Gateways[0]
			gc := w.GatewayConfig(g)
			gc.Accept[0].PPK = tt.ours
			sg1 := w.start(g.Node, gc)
			client, err := w.Sender.StartCharon(w.ctx, lab.CharonConfig{LocalID: lab.SenderID, RemoteID: lab.GatewayID("sg1"),
				PSK: lab.SecretOf("sg1"), Local: w.SenderAddr.String(), Remote: g.Addr.String(), VirtIPs: []string{"0.0.0.0"},
				RemoteTS: []string{"0.0.0.0/0"}, PPK: tt.theirs})
			must(t, err)
			err = client.Initiate(w.ctx)
			if (err == nil) != tt.up {
				t.Fatalf("strongSwan comes in: %v, want %v", err, tt.up)
			}
			if !tt.up {
				w.noSAs(sg1)
				return
			}
			w.pings(10)
			w.ppkInUse(sg1, tt.with)
			w.pings(3)
			must(t, client.Terminate(w.ctx))
			w.noSAs(sg1)
		})
	}
}
