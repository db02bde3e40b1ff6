package itest

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// pingPattern is the payload of the test's pings, to be looked for on links.
const pingPattern = "c0ffee5eedc0de42c0ffee5eedc0de42"

// TestChainOfThree builds three tunnels and a transport association with the
// first ping, in order, and looks at every link for what must not be there.
func TestChainOfThree(t *testing.T) {
	w := newWorld(t, 3)
	gateways := w.gateways(3)
	w.start(w.Receiver, w.ReceiverConfig())
	alice := w.start(w.Sender, w.SenderConfig(3, true))
	events := alice.Events(w.ctx)
	links := w.captureLinks()

	st, err := w.Sender.Ping(w.ctx, w.ReceiverAddr, 10, 50*time.Millisecond, "-p", pingPattern)
	must(t, err)
	if st.Lost() != 0 {
		t.Errorf("%d of %d pings were lost, the first one too must arrive:\n%s", st.Lost(), st.Sent, st.Output)
	}
	const order = "1 sg1, 2 sg2, 3 sg3, 4 bob"
	if got := picked(events.All(), control.EventLayerUp); got != order {
		t.Errorf("layers came up as [%s], want [%s]", got, order)
	}
	chain, err := alice.Chain(w.ctx, "web")
	must(t, err)
	checkLayers(t, chain)
	for _, g := range gateways {
		must(t, g.WaitAccepted(w.ctx, 1, quick))
	}
	for _, c := range links {
		must(t, c.Stop())
	}
	checkLinks(t, w, chain, links)

	from := events.Len()
	w.command(alice, "down", "web")
	const reverse = "4 bob, 3 sg3, 2 sg2, 1 sg1"
	if got := picked(events.Since(from), control.EventLayerDown); got != reverse {
		t.Errorf("layers went down as [%s], want [%s]", got, reverse)
	}
	for _, g := range gateways {
		w.noSAs(g)
	}
}

// checkLayers holds a chain of three and transport to what status promises.
func checkLayers(t *testing.T, c control.Chain) {
	t.Helper()
	if c.State != control.StateUp || len(c.Layers) != 4 {
		t.Fatalf("chain: %+v, want up with 4 layers", c)
	}
	for i, l := range c.Layers {
		mode := "tunnel"
		if i == 3 {
			mode = "transport"
		}
		if l.Layer != i+1 || l.Mode != mode || l.State != control.StateUp || l.SPIIn == "" || l.SPIOut == "" {
			t.Errorf("layer %d: %+v, want %s and up", i+1, l, mode)
		}
		if i > 0 && l.MTU >= c.Layers[i-1].MTU {
			t.Errorf("layer %d has MTU %d inside of %d", l.Layer, l.MTU, c.Layers[i-1].MTU)
		}
		if i > 0 && l.Local != c.Layers[i-1].VirtualIP {
			t.Errorf("layer %d goes out from %s, want the lease %s of the layer before", l.Layer, l.Local, c.Layers[i-1].VirtualIP)
		}
	}
}

// captureLinks captures every link of figure 2 at its far end.
func (w *world) captureLinks() map[string]*lab.Capture {
	w.t.Helper()
	links := make(map[string]*lab.Capture)
	add := func(name string, at, peer *lab.Node) {
		c, err := at.Capture(lab.Device(peer))
		must(w.t, err)
		links[name] = c
	}
	add("sender", w.Sender, w.Router)
	for _, g := range w.Gateways {
		add(g.Name, g.Node, w.Router)
	}
	add("receiver", w.Receiver, w.Gateways[2].Node)
	return links
}

// checkLinks says for each link who may talk there, and that no inner address
// and no payload shows. A gateway's link carries its own tunnel and what it
// forwards out of it.
func checkLinks(t *testing.T, w *world, c control.Chain, links map[string]*lab.Capture) {
	t.Helper()
	sg1, sg2, sg3 := w.Gateways[0].Addr, w.Gateways[1].Addr, w.Gateways[2].Addr
	lease := func(layer int) netip.Addr { return netip.MustParseAddr(c.Layers[layer-1].VirtualIP) }
	t1, t2, t3 := pairOf(w.SenderAddr, sg1), pairOf(lease(1), sg2), pairOf(lease(2), sg3)
	inside := pairOf(lease(3), w.ReceiverAddr)
	want := map[string][]string{
		"sender": {t1}, "sg1": {t1, t2}, "sg2": {t2, t3}, "sg3": {t3}, "receiver": {inside},
	}
	for name, pairs := range want {
		all := frames(t, links[name].File)
		seen := make(map[string]bool)
		for _, f := range all {
			seen[f.pair()] = true
			if !strings.Contains(strings.Join(pairs, " "), f.pair()) {
				t.Errorf("link of %s: packet between %s, want only %v", name, f.pair(), pairs)
			}
			if !f.protected() {
				t.Errorf("link of %s: unprotected packet %v to %v, protocol %v, UDP ports %v and %v", name, f.src, f.dst, f.proto, f.sport, f.dport)
			}
			checkOpaque(t, name, f, w.ReceiverAddr)
		}
		for _, p := range pairs {
			if !seen[p] {
				t.Errorf("link of %s: nothing between %s", name, p)
			}
		}
	}
}

// checkOpaque looks into a packet's bytes, behind its own addresses, for the
// ping's payload and for the addresses of a packet to or from the receiver.
func checkOpaque(t *testing.T, link string, f frame, receiver netip.Addr) {
	t.Helper()
	body := f.ip[min(20, len(f.ip)):]
	own := netip.MustParseAddr("10.200.0.1").As4()
	to := receiver.As4()
	clues := map[string][]byte{
		"the ping's payload": {0xc0, 0xff, 0xee, 0x5e, 0xed, 0xc0, 0xde, 0x42},
		"an inner request":   append(own[:], to[:]...),
		"an inner answer":    append(to[:], own[:]...),
	}
	for what, clue := range clues {
		if bytes.Contains(body, clue) {
			t.Errorf("link of %s: %s in clear", link, what)
		}
	}
}
