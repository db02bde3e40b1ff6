package itest

import (
	"fmt"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

const iperfPort = 5201

// TestStrongSwanChain nests three tunnels through strongSwan's own gateways.
func TestStrongSwanChain(t *testing.T) {
	need(t, "swanctl")
	w := newWorld(t, 3)
	var sgs []*lab.Charon
	for _, g := range w.Gateways {
		sgs = append(sgs, w.charon(g))
	}
	alice := w.start(w.Sender, w.SenderConfig(3, false))
	w.pings(10)
	w.transfer(100 << 20)
	for i, sg := range sgs {
		if sas := w.listSAs(sg); len(sas) != 1 || lab.Installed(sas) != 1 {
			t.Errorf("sg%d: %+v, want one IKE SA with one child SA", i+1, sas)
		}
	}
	w.command(alice, "down", "web")
	for i, sg := range sgs {
		w.noCharonSAs(i+1, sg)
	}
}

// TestStrongSwanMixed has strongSwan in the middle: warren inside and outside.
func TestStrongSwanMixed(t *testing.T) {
	need(t, "swanctl")
	w := newWorld(t, 3)
	sg1 := w.start(w.Gateways[0].Node, w.GatewayConfig(w.Gateways[0]))
	sg2 := w.charon(w.Gateways[1])
	sg3 := w.start(w.Gateways[2].Node, w.GatewayConfig(w.Gateways[2]))
	w.start(w.Receiver, w.ReceiverConfig())
	alice := w.start(w.Sender, w.SenderConfig(3, true))
	w.pings(10)
	w.transfer(20 << 20)
	if sas := w.listSAs(sg2); lab.Installed(sas) != 1 {
		t.Errorf("sg2: %+v, want one child SA", sas)
	}
	w.command(alice, "down", "web")
	w.noSAs(sg1)
	w.noSAs(sg3)
	w.noCharonSAs(2, sg2)
}

// underWay is more than the socket buffers and tunnels between two iperf3 can
// hold: the bytes that the sender is done with and the receiver never counts.
const underWay = 16 << 20

// transfer carries at least so many bytes over TCP to the receiver. iperf3 ends
// when the sender has sent them, with the last ones still under way.
func (w *world) transfer(bytes int64) {
	w.t.Helper()
	_, err := w.Receiver.StartIperfServer(iperfPort)
	must(w.t, err)
	res, err := w.Sender.Iperf(w.ctx, w.ReceiverAddr, iperfPort, "--bytes", fmt.Sprint(bytes+underWay))
	must(w.t, err)
	if res.Bytes < bytes {
		w.t.Errorf("iperf3 carried %d bytes, want %d", res.Bytes, bytes)
	}
	w.t.Logf("%d bytes at %.1f Mbit/s", res.Bytes, res.BitsPerSec/1e6)
}

func (w *world) noCharonSAs(number int, sg *lab.Charon) {
	w.t.Helper()
	var sas []lab.CharonSA
	err := lab.Poll(quick, func() error {
		if sas = w.listSAs(sg); len(sas) != 0 {
			return errLeft
		}
		return nil
	})
	if err != nil {
		w.t.Errorf("sg%d after down: %+v, want none", number, sas)
	}
}

// TestStrongSwanInitiator has strongSwan ask warren for a virtual address, and
// SAs rekeyed by the one side, by the other, and by both at odd moments.
func TestStrongSwanInitiator(t *testing.T) {
	need(t, "swanctl")
	const never = time.Hour
	for name, life := range map[string]struct{ charonIKE, charonChild, warrenIKE, warrenChild time.Duration }{
		"strongSwan rekeys": {7 * time.Second, 3 * time.Second, never, never},
		"warren rekeys":     {never, never, 7 * time.Second, 3 * time.Second},
		"both rekey":        {7 * time.Second, 3 * time.Second, 7 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			g := w.Gateways[0]
			gc := w.GatewayConfig(g)
			gc.Profile = &lab.Profile{RekeyIKE: life.warrenIKE, RekeyChild: life.warrenChild}
			sg1 := w.start(g.Node, gc)
			client, err := w.Sender.StartCharon(w.ctx, lab.CharonConfig{LocalID: lab.SenderID, RemoteID: lab.GatewayID("sg1"),
				PSK: lab.SecretOf("sg1"), Local: w.SenderAddr.String(), Remote: g.Addr.String(), VirtIPs: []string{"0.0.0.0"},
				RemoteTS: []string{"0.0.0.0/0"}, RekeyIKE: life.charonIKE, RekeyChild: life.charonChild})
			must(t, err)
			must(t, client.Initiate(w.ctx))
			w.rekeyUnderPing(sg1, client)
		})
	}
}

// rekeyUnderPing waits for both kinds of rekeys while pings run, and wants
// none of those lost, in either direction.
func (w *world) rekeyUnderPing(sg1 *lab.Warren, client *lab.Charon) {
	t := w.t
	t.Helper()
	before := w.listSAs(client)
	if len(before) != 1 || lab.Installed(before) != 1 {
		t.Fatalf("charon: %+v, want one IKE SA with one child SA", before)
	}
	st, err := sg1.Client().Status(w.ctx)
	must(t, err)
	if len(st.Accepted) != 1 || st.Accepted[0].VirtualIP == "" || st.Accepted[0].Peer != lab.SenderID {
		t.Fatalf("sg1 accepted %+v, want %s with a virtual IP", st.Accepted, lab.SenderID)
	}
	ping, err := w.Sender.StartPing("ping-rekey", w.ReceiverAddr, 20*time.Millisecond)
	must(t, err)
	back, err := w.Receiver.StartPing("ping-back", mustAddr(st.Accepted[0].VirtualIP), 20*time.Millisecond)
	must(t, err)
	err = lab.Poll(patient, func() error {
		if !w.rekeyedTwice(client, before[0]) {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		t.Errorf("rekeys: %v; charon has %+v", err, w.listSAs(client))
	}
	for name, p := range map[string]*lab.Pinging{"to the receiver": ping, "to the sender": back} {
		got, err := p.Stop()
		must(t, err)
		if got.Lost() != 0 || got.Sent < 100 {
			t.Errorf("pings %s: %d of %d lost, want 0 of some hundred", name, got.Lost(), got.Sent)
		}
	}
	must(t, sg1.WaitAccepted(w.ctx, 1, quick))
	events, err := sg1.Client().History(w.ctx)
	must(t, err)
	for _, ev := range events {
		if ev.Kind == control.EventAcceptedDown {
			t.Errorf("a rekey took the session down: %+v", ev)
		}
	}
}

// rekeyedTwice reports whether there is a second IKE SA after the first, and
// a child SA of a later generation in it.
func (w *world) rekeyedTwice(client *lab.Charon, first lab.CharonSA) bool {
	sas := w.listSAs(client)
	if len(sas) != 1 || sas[0].State != "ESTABLISHED" || lab.Installed(sas) != 1 {
		return false
	}
	return number(sas[0].ID) >= number(first.ID)+2 && sas[0].Children[0].SPIIn != first.Children[0].SPIIn
}
