package host

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestWatch(t *testing.T) {
	fresh(t)
	h := open(t, options(t))
	check(t, h.SetAddresses(prefixes("10.200.0.1/32")))
	changed, err := h.Watch()
	check(t, err)
	came := func(wait time.Duration) bool {
		select {
		case <-changed:
			return true
		case <-time.After(wait):
			return false
		}
	}
	for came(300 * time.Millisecond) { // what the kernel still has to say about a new link
	}
	check(t, h.AddRoute(netip.MustParsePrefix("10.99.0.0/24")))
	check(t, h.RemoveRoute(netip.MustParsePrefix("10.99.0.0/24")))
	if came(300 * time.Millisecond) {
		t.Error("a route of ours is news")
	}
	eth0, err := netlink.LinkByName("eth0")
	check(t, err)
	a := &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("192.0.2.101/24")), Flags: unix.IFA_F_NODAD}
	check(t, netlink.AddrAdd(eth0, a))
	if !came(5 * time.Second) {
		t.Error("nobody says that there is a new address")
	}
	for came(300 * time.Millisecond) { // the routes that came with it
	}
	have, err := h.Addresses()
	check(t, err)
	for _, want := range []string{"192.0.2.100", "192.0.2.101", "2001:db8::100", "10.200.0.1"} {
		if !have[netip.MustParseAddr(want)] {
			t.Errorf("%s is not among %v", want, have)
		}
	}
	dst := netip.MustParsePrefix("203.0.113.0/24")
	check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: ipNet(dst), Gw: netip.MustParseAddr("192.0.2.1").AsSlice()}))
	if !came(5 * time.Second) {
		t.Error("nobody says that there is a new route")
	}
	check(t, h.Close())
	if _, err := h.Watch(); err == nil {
		t.Error("watched after Close")
	}
	if _, err := h.Addresses(); err == nil {
		t.Error("listed after Close")
	}
}
