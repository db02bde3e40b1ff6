package node

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"warren/config"
	"warren/control"
	"warren/nest"
	"warren/sa"
)

// TestListen: peers may open sessions, also inside others, where the configuration
// says, and else wherever the host can be reached.
func TestListen(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	lo := netip.MustParseAddr("127.0.0.1")
	have := map[netip.Addr]bool{a: true, b: true, lo: true}
	every := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	tests := map[string]struct {
		listed, want []netip.Addr
	}{
		"everywhere":               {every, []netip.Addr{a, b}},
		"at one":                   {[]netip.Addr{b}, []netip.Addr{b}},
		"at one that is not there": {[]netip.Addr{netip.MustParseAddr("203.0.113.9")}, nil},
	}
	for name, tt := range tests {
		n, err := New(&config.Config{Listen: config.Listen{Addresses: tt.listed}}, Options{})
		must(t, err)
		n.nest = emptyTree()
		n.listen(have)
		for _, x := range []netip.Addr{a, b, lo} {
			if got := n.nest.View().Listens(x); got != slices.Contains(tt.want, x) {
				t.Errorf("%s: listens at %v: %t", name, x, got)
			}
		}
	}
}

// TestAcceptedLayersAreTold: events name the depth of what peers opened, and status
// what carries it.
func TestAcceptedLayersAreTold(t *testing.T) {
	n := kernel(t)
	for layer, lease := range []string{"10.99.0.2/32", "10.99.0.3/32", "10.99.0.4/32"} {
		c := forPeer(sa.Layer(layer+1), lease)
		c.Via = sa.Layer(layer)
		n.acceptedUp(c, time.Now())
	}
	at := n.acceptedStatus()
	if len(at) != 3 || at[2].Layer != 3 || at[2].MTU >= at[1].MTU {
		t.Errorf("status: %+v", at)
	}
	for layer := 3; layer >= 1; layer-- {
		n.acceptedDown(forPeer(sa.Layer(layer)), "")
	}
	n.acceptedDown(forPeer(1), "") // gone already
	var got []int
	for _, e := range n.events.History() {
		if e.Kind == control.EventAcceptedUp || e.Kind == control.EventAcceptedDown {
			got = append(got, e.Layer)
		}
	}
	if want := []int{1, 2, 3, 3, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("events of layers %v, want %v", got, want)
	}
}

// TestPortsInside: in every layer the node's own ports are those that it listens on,
// where replies are looked for, and the peer's are those of the peer.
func TestPortsInside(t *testing.T) {
	who := &config.Identity{ID: "alice.example"}
	p := &config.Peer{Name: "sg2", ID: "sg2.example", Identity: who, Profile: &config.Profile{}, IKE: 2500, NATT: 24500}
	n, err := New(&config.Config{Listen: config.Listen{IKE: 1500, NATT: 14500}, Peers: []*config.Peer{p}}, Options{})
	must(t, err)
	local, remote := netip.MustParseAddr("10.99.1.2"), netip.MustParseAddr("198.51.100.1")
	for _, parent := range []*nest.Node{nil, {ID: 1}} {
		c, err := n.peerConfig(&nest.Node{ID: 2, Parent: parent, Action: nest.Action{Peer: "sg2", Addr: remote}}, p, local)
		must(t, err)
		if c.Local != netip.AddrPortFrom(local, 1500) || c.LocalNATT != 14500 || c.Remote != netip.AddrPortFrom(remote, 2500) || c.RemoteNATT != 24500 {
			t.Errorf("via %v: from %v and %d to %v and %d", c.Via, c.Local, c.LocalNATT, c.Remote, c.RemoteNATT)
		}
	}
}
