package itest

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// TestFamilies nests three tunnels and a transport association with IPv4 and
// IPv6 mixed at every layer, and raw ESP instead of UDP for some.
func TestFamilies(t *testing.T) {
	tests := map[string]struct {
		v6    [4]bool // sg1, sg2, sg3, the receiver
		encap [4]string
	}{
		"IPv6 inside IPv4":            {v6: [4]bool{false, false, false, true}},
		"IPv4 inside IPv6":            {v6: [4]bool{true, true, true, false}},
		"IPv6 throughout, raw ESP":    {v6: [4]bool{true, true, true, true}, encap: [4]string{"esp", "esp", "esp", "esp"}},
		"in turn, raw ESP inside UDP": {v6: [4]bool{false, true, false, true}, encap: [4]string{"udp", "esp", "udp", "esp"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			sgs := w.gateways(3)
			bob := w.start(w.Receiver, w.ReceiverConfig())
			alice := w.start(w.Sender, w.familyConfig(tt.v6, tt.encap))
			to := w.ReceiverAddr
			if tt.v6[3] {
				to = w.ReceiverAddr6
			}
			st, err := w.Sender.Ping(w.ctx, to, 10, 50*time.Millisecond)
			must(t, err)
			if st.Lost() != 0 {
				w.whereabouts(append(sgs, bob, alice))
				t.Fatalf("%d of %d pings were lost:\n%s", st.Lost(), st.Sent, st.Output)
			}
			w.fullPings(to, chainOf(w, alice))
			wantFamilies(t, chainOf(w, alice), tt.v6, tt.encap)
		})
	}
}

func (w *world) familyConfig(v6 [4]bool, encap [4]string) lab.Config {
	c := w.SenderConfig(3, true)
	for i, g := range w.Gateways[:3] {
		p := c.Peer(g.Name)
		p.Encap = encap[i]
		if v6[i] {
			p.Address = g.Addr6.String()
		}
	}
	bob := c.Peer("bob")
	bob.Encap = encap[3]
	if v6[3] {
		bob.Address = w.ReceiverAddr6.String()
	}
	return c
}

// fullPings sends packets that fill the chain's MTU to the byte, unfragmented.
func (w *world) fullPings(to netip.Addr, c control.Chain) {
	w.t.Helper()
	header := 20 + 8
	if to.Is6() {
		header = 40 + 8
	}
	for size, want := range map[int]int{c.MTU - header: 3, c.MTU - header + 1: 0} {
		st, err := w.Sender.Ping(w.ctx, to, 3, 50*time.Millisecond, "-M", "do", "-s", strconv.Itoa(size))
		if want > 0 {
			must(w.t, err)
		}
		if st.Received != want {
			w.t.Errorf("%d of 3 packets of %d bytes came through a chain with MTU %d, want %d", st.Received, size+header, c.MTU, want)
		}
	}
}

func chainOf(w *world, alice *lab.Warren) control.Chain {
	w.t.Helper()
	c, err := alice.Chain(w.ctx, "web")
	must(w.t, err)
	return c
}

// wantFamilies wants each layer to be of the family and encapsulation asked for.
func wantFamilies(t *testing.T, c control.Chain, v6 [4]bool, encap [4]string) {
	t.Helper()
	if len(c.Layers) != 4 {
		t.Fatalf("chain has %d layers, want 4: %+v", len(c.Layers), c)
	}
	for i, l := range c.Layers {
		want := encap[i]
		if want == "" {
			want = "udp"
		}
		if l.Encap != want || netip.MustParseAddr(l.Remote).Is6() != v6[i] || netip.MustParseAddr(l.Local).Is6() != v6[i] {
			t.Errorf("layer %d goes from %s to %s in %s, want %s", l.Layer, l.Local, l.Remote, l.Encap, want)
		}
	}
}
