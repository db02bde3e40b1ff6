package itest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// A duo is a sender and one receiver that ends all layers.
type duo struct {
	*lab.TwoHosts
	*world
	bob *lab.Warren
}

func newDuo(t *testing.T) *duo {
	t.Helper()
	need(t, "nsenter", "ip", "tcpdump", "iperf3", "ping", "nft")
	warren, err := warrenBinary()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	l, err := lab.New(lab.Options{Dir: scratch, Warren: warren})
	must(t, err)
	n, err := lab.NewTwoHosts(ctx, l)
	if err != nil {
		l.Close()
		t.Fatal(err)
	}
	d := &duo{TwoHosts: n, world: &world{t: t, ctx: ctx,
		Network: &lab.Network{Lab: l, Sender: n.Sender, Receiver: n.Receiver, SenderAddr: n.SenderAddr, ReceiverAddr: n.Target}}}
	t.Cleanup(d.end)
	if _, err := n.Sender.Ping(ctx, n.Ends[0], 2, 50*time.Millisecond); err != nil { // the link is up now
		t.Fatal(err)
	}
	d.bob = d.start(n.Receiver, n.ReceiverConfig())
	return d
}

// accepted is what the receiver says of its layers, outermost first.
func (d *duo) accepted(count int) []control.Accepted {
	d.t.Helper()
	must(d.t, d.bob.WaitAccepted(d.ctx, count, quick))
	st, err := d.bob.Client().Status(d.ctx)
	must(d.t, err)
	return st.Accepted
}

// TestOneHostEndsAllLayers nests tunnels, and a transport association in them, that
// one daemon ends, and looks at the link for what must not be there.
func TestOneHostEndsAllLayers(t *testing.T) {
	for _, protect := range []bool{false, true} {
		t.Run("protect "+strconv.FormatBool(protect), func(t *testing.T) {
			d := newDuo(t)
			alice := d.start(d.TwoHosts.Sender, d.SenderConfig(3, protect))
			wire, err := d.TwoHosts.Sender.Capture(lab.Device(d.TwoHosts.Receiver))
			must(t, err)
			st, err := d.TwoHosts.Sender.Ping(d.ctx, d.Target, 10, 50*time.Millisecond, "-p", pingPattern)
			must(t, err)
			if st.Lost() != 0 {
				t.Errorf("%d of %d pings were lost, the first one too must arrive:\n%s", st.Lost(), st.Sent, st.Output)
			}
			_, err = d.TwoHosts.Receiver.StartIperfServer(5201)
			must(t, err)
			if _, err := d.TwoHosts.Sender.Iperf(d.ctx, d.Target, 5201, "--bytes", "20M"); err != nil {
				t.Error(err)
			}
			if _, err := d.TwoHosts.Sender.Iperf(d.ctx, d.Target, 5201, "--bytes", "20M", "--reverse"); err != nil {
				t.Error(err)
			}
			must(t, wire.Stop())
			d.checkWire(wire)
			d.checkBothEnds(alice, protect)

			d.command(alice, "down", "web")
			d.noSAs(d.bob)
			before := d.traces(d.bob) // routing rules for peers come with the first one, and stay
			d.command(alice, "up", "web")
			d.command(alice, "down", "web")
			d.noSAs(d.bob)
			d.sameTraces(d.bob, before)
			must(t, alice.Stop())
		})
	}
}

// checkWire wants nothing on the link but the outermost layer.
func (d *duo) checkWire(wire *lab.Capture) {
	d.t.Helper()
	outermost := pairOf(d.TwoHosts.SenderAddr, d.Ends[0])
	esp := 0
	for _, f := range frames(d.t, wire.File) {
		if f.src.Is6() {
			continue
		}
		if f.pair() != outermost || !f.protected() {
			d.t.Errorf("on the link: %s, protocol %v, UDP ports %v and %v", f.pair(), f.proto, f.sport, f.dport)
		}
		if _, ok := f.esp(); ok {
			esp++
		}
		checkOpaque(d.t, "the receiver", f, d.Target)
	}
	if esp < 20 {
		d.t.Errorf("%d ESP packets on the link", esp)
	}
}

// checkBothEnds wants the receiver to know the layers as the sender does.
func (d *duo) checkBothEnds(alice *lab.Warren, protect bool) {
	t := d.t
	t.Helper()
	chain, err := alice.Chain(d.ctx, "web")
	must(t, err)
	at := d.accepted(len(chain.Layers))
	if want := map[bool]int{false: 3, true: 4}[protect]; len(at) != want {
		t.Fatalf("%d layers, want %d", len(at), want)
	}
	outer, leases := "", map[string]bool{}
	for i, a := range at {
		l := chain.Layers[i]
		if a.Layer != i+1 || a.Outer != outer || a.SPIIn != l.SPIOut || a.SPIOut != l.SPIIn || a.MTU != l.MTU || a.Mode != l.Mode ||
			a.VirtualIP != l.VirtualIP || a.Remote != l.Local || a.Local != l.Remote {
			t.Errorf("layer %d of the receiver is %+v, of the sender %+v", i+1, a, l)
		}
		if l.Mode == "tunnel" && (leases[a.VirtualIP] || a.VirtualIP == "") {
			t.Errorf("layer %d has lease %q, not one of its own", i+1, a.VirtualIP)
		}
		if a.PacketsIn < 10 || a.PacketsOut < 10 {
			t.Errorf("layer %d counts %d packets in, %d out", i+1, a.PacketsIn, a.PacketsOut)
		}
		outer, leases[a.VirtualIP] = a.SPIIn, true
	}
	ike, err := d.bob.Client().IKE(d.ctx)
	must(t, err)
	for i, s := range ike {
		if s.Layer != i+1 || s.Role != "responder" {
			t.Errorf("IKE SA %d: %+v", i+1, s)
		}
	}
	st, err := d.bob.Client().Status(d.ctx)
	must(t, err)
	for reason, n := range st.Drops {
		if n != 0 && reason != "multicast" { // the kernel's own
			t.Errorf("the receiver dropped %d packets as %s", n, reason)
		}
	}
}

// TestOneHostRollback has the receiver refuse the second of three layers.
func TestOneHostRollback(t *testing.T) {
	d := newDuo(t)
	c := impatient(d.SenderConfig(3, false))
	c.Peer("sg2").PSK = "not the same"
	alice := d.start(d.TwoHosts.Sender, c)
	events := alice.Events(d.ctx) // its connection is one of the open files
	before := d.traces(alice)
	out, err := alice.Command(d.ctx, "up", "web")
	if err == nil {
		t.Fatalf("up succeeds:\n%s", out)
	}
	checkReason(t, "the error of up", out+err.Error(), 2, "sg2", []string{"AUTHENTICATION_FAILED"})
	if got, want := picked(events.All(), control.EventLayerDown), "1 sg1"; got != want {
		t.Errorf("layers went down as [%s], want [%s]", got, want)
	}
	d.noSAs(d.bob)
	d.sameTraces(alice, before)
	must(t, alice.Stop())
}

// TestOneHostRekey rekeys all layers, the outer ones too, while packets pass.
func TestOneHostRekey(t *testing.T) {
	d := newDuo(t)
	c := d.SenderConfig(3, true)
	c.Profile = &lab.Profile{RekeyIKE: 5 * time.Second, RekeyChild: 3 * time.Second}
	alice := d.start(d.TwoHosts.Sender, c)
	d.command(alice, "up", "web")
	events := d.bob.Events(d.ctx)
	ping, err := d.TwoHosts.Sender.StartPing("ping-rekey", d.Target, 10*time.Millisecond)
	must(t, err)
	_, err = d.TwoHosts.Receiver.StartIperfServer(5201)
	must(t, err)
	if _, err := d.TwoHosts.Sender.Iperf(d.ctx, d.Target, 5201, "--time", "9", "--bitrate", "50M"); err != nil {
		t.Error(err)
	}
	st, err := ping.Stop()
	must(t, err)
	if st.Lost() != 0 {
		t.Errorf("%d of %d pings were lost while layers were rekeyed", st.Lost(), st.Sent)
	}
	for i, a := range d.accepted(4) {
		if a.Rekeys < 2 || a.Layer != i+1 {
			t.Errorf("layer %d was rekeyed %d times", a.Layer, a.Rekeys)
		}
	}
	for _, e := range events.All() {
		if e.Kind == control.EventAcceptedDown {
			t.Errorf("a rekey took a layer down: %+v", e)
		}
	}
	must(t, alice.Stop())
}

// TestOneHostReauth authenticates all layers anew, each with what is inside it,
// while packets pass.
func TestOneHostReauth(t *testing.T) {
	d := newDuo(t)
	alice := d.start(d.TwoHosts.Sender, d.SenderConfig(3, true))
	d.command(alice, "up", "web")
	events := d.bob.Events(d.ctx)
	before := d.accepted(4)
	ping, err := d.TwoHosts.Sender.StartPing("ping-reauth", d.Target, 10*time.Millisecond)
	must(t, err)
	d.command(alice, "reauth", "web")
	d.command(alice, "reauth", "web")
	d.command(alice, "rekey", "web")
	st, err := ping.Stop()
	must(t, err)
	if st.Lost() != 0 || st.Sent < 100 {
		t.Errorf("%d of %d pings were lost while layers were authenticated anew", st.Lost(), st.Sent)
	}
	outer := ""
	for i, a := range d.accepted(4) {
		old := before[i]
		if a.Layer != i+1 || a.Outer != outer || a.SPIIn == old.SPIIn || a.VirtualIP != old.VirtualIP || a.PacketsIn <= old.PacketsIn {
			t.Errorf("layer %d: %+v, was %+v", i+1, a, old)
		}
		outer = a.SPIIn
	}
	for _, e := range events.All() {
		if e.Kind == control.EventAcceptedDown {
			t.Errorf("it took a layer down: %+v", e)
		}
	}
	d.command(alice, "down", "web")
	d.noSAs(d.bob)
	must(t, alice.Stop())
}

// TestOneHostLosesOuter: when the receiver ends the outermost session, or the sender
// vanishes, all layers go, innermost first, and a sender that lives builds them anew.
func TestOneHostLosesOuter(t *testing.T) {
	d := newDuo(t)
	alice := d.start(d.TwoHosts.Sender, d.SenderConfig(3, false))
	d.command(alice, "up", "web")
	d.accepted(3)
	events := d.bob.Events(d.ctx)
	alice.Kill()
	alice = d.start(d.TwoHosts.Sender, d.SenderConfig(3, false)) // comes with INITIAL_CONTACT
	d.command(alice, "up", "web")
	d.accepted(3)
	if got, want := layersDown(events.All()), []int{3, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("layers went down as %v, want %v", got, want)
	}
	d.pings(3)

	toAlice := alice.Events(d.ctx)
	must(t, d.bob.Stop()) // says goodbye, innermost first
	d.bob = d.start(d.TwoHosts.Receiver, d.ReceiverConfig())
	if got := picked(toAlice.All(), control.EventLayerDown); !strings.HasPrefix(got, "3 sg3, 2 sg2, 1 sg1") {
		t.Errorf("the sender lost [%s], want all, innermost first", got)
	}
	must(t, lab.Poll(patient, func() error {
		_, err := alice.Command(d.ctx, "up", "web")
		return err
	}))
	d.pings(3)
	must(t, alice.Stop())
	d.noSAs(d.bob)
}

// layersDown are the layers that a receiver lost, in order.
func layersDown(events []control.Event) []int {
	var out []int
	for _, e := range events {
		if e.Kind == control.EventAcceptedDown {
			out = append(out, e.Layer)
		}
	}
	return out
}

// TestOneHostOtherPorts has either end listen elsewhere than at 500 and 4500, which
// also holds inside the tunnels.
func TestOneHostOtherPorts(t *testing.T) {
	d := newDuo(t)
	must(t, d.bob.Stop())
	bob := d.ReceiverConfig()
	bob.IKE, bob.NATT = 2500, 24500
	d.bob = d.start(d.TwoHosts.Receiver, bob)
	c := d.SenderConfig(3, true)
	c.IKE, c.NATT = 1500, 14500
	for i := range c.Peers {
		c.Peers[i].IKEPort, c.Peers[i].NATTPort = bob.IKE, bob.NATT
	}
	alice := d.start(d.TwoHosts.Sender, c)
	d.pings(10)
	d.checkBothEnds(alice, true)
	ike, err := alice.Client().IKE(d.ctx)
	must(t, err)
	for _, s := range ike {
		if local, remote := netip.MustParseAddrPort(s.Local), netip.MustParseAddrPort(s.Remote); local.Port() != c.NATT || remote.Port() != bob.NATT {
			t.Errorf("layer %d goes from %v to %v", s.Layer, local, remote)
		}
	}
	d.command(alice, "rekey", "web")
	d.pings(3)
	d.command(alice, "down", "web")
	d.noSAs(d.bob)
	must(t, alice.Stop())
}

// TestOneHostNewAddress: an address that the receiver gets later is an end of layers
// as well, and one that it loses is none any more.
func TestOneHostNewAddress(t *testing.T) {
	d := newDuo(t)
	second := netip.MustParseAddr("198.51.100.9")
	c := impatient(d.SenderConfig(2, false))
	c.Peer("sg2").Address = second.String()
	alice := d.start(d.TwoHosts.Sender, c)
	if out, err := alice.Command(d.ctx, "up", "web"); err == nil {
		t.Errorf("layer 2 ends at an address that nobody has:\n%s", out)
	}
	must(t, d.TwoHosts.Receiver.IP(d.ctx, "addr add "+second.String()+"/32 dev lo"))
	d.command(alice, "up", "web")
	d.accepted(2)
	d.command(alice, "down", "web")
	must(t, d.TwoHosts.Receiver.IP(d.ctx, "addr del "+second.String()+"/32 dev lo"))
	must(t, lab.Poll(patient, func() error { // the kernel tells of it in its own time
		if _, err := alice.Command(d.ctx, "up", "web"); err != nil {
			return nil
		}
		d.command(alice, "down", "web")
		return errors.New("layer 2 ends at an address that is gone")
	}))
	must(t, alice.Stop())
}
