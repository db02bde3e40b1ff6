package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren/config"
	"warren/control"
	"warren/esp"
	"warren/host"
	"warren/ike"
	"warren/nest"
	"warren/policy"
	"warren/sa"
)

// kernel is a node that has only what it takes to route for accepted peers, in a
// network namespace of the test's own.
func kernel(t *testing.T) *Node {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("network namespaces need root")
		}
		t.Skip("network namespaces need root")
	}
	runtime.LockOSThread() // the thread ends with the test, and its namespace too
	must(t, unix.Unshare(unix.CLONE_NEWNET))
	tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "warren0"}, Mode: netlink.TUNTAP_MODE_TUN}
	must(t, netlink.LinkAdd(tun))
	must(t, netlink.LinkSetUp(tun))
	n, err := New(&config.Config{}, Options{})
	must(t, err)
	n.nest = emptyTree()
	n.host, err = host.Open(host.Options{Name: "gw", TUN: "warren0", Journal: filepath.Join(t.TempDir(), "gw.journal")})
	must(t, err)
	t.Cleanup(func() { must(t, n.host.Close()) })
	return n
}

// emptyTree is the tree of a node without rules.
func emptyTree() *nest.Manager {
	return nest.NewManager(nest.Options{Resolver: nest.NewResolver(policy.NewTables(nil, nil, policy.Discard), nil, 0)})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (n *Node) routes() []string {
	var out []string
	for _, r := range (&backend{n: n}).Routes() {
		if r.Kind == "route" {
			out = append(out, r.Text)
		}
	}
	slices.Sort(out)
	return out
}

func forPeer(layer sa.Layer, remote ...string) *child {
	c := &child{Child: ike.Child{Layer: layer, Mode: esp.Tunnel, LocalTS: policy.Everything()}}
	for _, r := range remote {
		c.RemoteTS = append(c.RemoteTS, policy.PrefixSelector(netip.MustParsePrefix(r)))
	}
	return c
}

// TestRoutesFollowAccepted: what leads to a peer, and what refuses packets for
// it, is there as long as a session for it is, also when a rekey changed what it
// is for.
func TestRoutesFollowAccepted(t *testing.T) {
	n := kernel(t)
	both := func(dst ...string) []string {
		var out []string
		for _, d := range dst {
			out = append(out, d+" dev warren0 metric 10", "unreachable "+d+" metric 1048576")
		}
		slices.Sort(out)
		return out
	}
	want := func(when string, dst ...string) {
		t.Helper()
		var got []string
		for _, r := range n.routes() {
			if r != "default dev warren0 metric 10" {
				got = append(got, r)
			}
		}
		if !slices.Equal(got, both(dst...)) {
			t.Errorf("%s: routes %q, want %q", when, got, both(dst...))
		}
	}
	lease, net := "10.99.1.2/32", "10.98.0.0/16"
	n.acceptedUp(forPeer(1, lease, net), time.Now())
	n.acceptedUp(forPeer(2, net), time.Now())
	want("two peers", "10.99.1.2", net)
	n.acceptedRekeyed(forPeer(1, lease, net))
	want("after a rekey for the same", "10.99.1.2", net)
	n.acceptedRekeyed(forPeer(1, lease))
	want("after a rekey for less", "10.99.1.2", net)
	n.acceptedDown(forPeer(2, net), "")
	want("when the other one is gone", "10.99.1.2")
	n.acceptedDown(forPeer(1, lease), "")
	want("when both are gone")
	if last := n.events.History(); last[len(last)-1].Kind != control.EventAcceptedDown {
		t.Errorf("last event: %+v", last[len(last)-1])
	}
}
