package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const testMark = 0x7761

// fresh moves the test into a network namespace of its own, on a thread that
// dies with it: eth0 (one end of a veth, 192.0.2.100/24 and 2001:db8::100/64, default
// routes) and the TUN.
func fresh(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("network namespaces need root")
		}
		t.Skip("network namespaces need root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("unshare: %v", err)
	}
	lo, err := netlink.LinkByName("lo")
	check(t, err)
	check(t, netlink.LinkSetUp(lo))
	eth0 := wire(t, "eth0", "192.0.2.100/24", "2001:db8::100/64")
	for _, gw := range []string{"192.0.2.1", "2001:db8::1"} {
		a := netip.MustParseAddr(gw)
		dst := netip.PrefixFrom(a, 0).Masked()
		check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: ipNet(dst), Gw: a.AsSlice()}))
	}
	makeTUN(t)
}

func wire(t *testing.T, name string, prefixes ...string) netlink.Link {
	t.Helper()
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}))
	peer, err := netlink.LinkByName(name + "p")
	check(t, err)
	check(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"p/addr_gen_mode", []byte("1"), 0))
	check(t, netlink.LinkSetUp(peer))
	link, err := netlink.LinkByName(name)
	check(t, err)
	check(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/addr_gen_mode", []byte("1"), 0))
	for _, p := range prefixes {
		check(t, netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix(p)), Flags: unix.IFA_F_NODAD}))
	}
	check(t, netlink.LinkSetUp(link))
	return link
}

func makeTUN(t *testing.T) {
	t.Helper()
	check(t, netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "warren0"}, Mode: netlink.TUNTAP_MODE_TUN}))
}

func upTUN(t *testing.T) {
	t.Helper()
	check(t, os.WriteFile("/proc/sys/net/ipv6/conf/warren0/addr_gen_mode", []byte("1"), 0))
	link, err := netlink.LinkByName("warren0")
	check(t, err)
	check(t, netlink.LinkSetUp(link))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func options(t *testing.T) Options {
	return Options{Name: "alice", TUN: "warren0", Mark: testMark, Journal: filepath.Join(t.TempDir(), "alice.journal")}
}

func open(t *testing.T, opt Options) *Host {
	t.Helper()
	h, err := Open(opt)
	check(t, err)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

func snapshot(t *testing.T) string {
	t.Helper()
	s, err := Snapshot()
	check(t, err)
	return s
}

func same(t *testing.T, before string) {
	t.Helper()
	after := snapshot(t)
	if after == before {
		return
	}
	had := map[string]bool{}
	for _, l := range strings.Split(before, "\n") {
		had[l] = true
	}
	for _, l := range strings.Split(after, "\n") {
		if !had[l] {
			t.Errorf("left behind: %s", l)
		}
		delete(had, l)
	}
	for l := range had {
		t.Errorf("lost: %s", l)
	}
}

// way returns the interface that a packet takes, or the error's text.
func way(t *testing.T, flags ...string) string {
	t.Helper()
	out, err := run("ip", append([]string{"route", "get"}, flags...)...)
	if err != nil {
		return "refused"
	}
	for i, f := range strings.Fields(out) {
		if f == "dev" {
			return strings.Fields(out)[i+1]
		}
	}
	return out
}

func prefixes(ss ...string) (out []netip.Prefix) {
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestEveryFeatureLeavesNothingBehind(t *testing.T) {
	addrs := prefixes("10.200.0.1/32", "fd00:200::1/128")
	for name, use := range map[string]func(*Host) error{
		"nothing":   func(h *Host) error { return nil },
		"addresses": func(h *Host) error { return h.SetAddresses(addrs) },
		"policy": func(h *Host) error {
			return h.SetPolicy([]PolicyRule{{Verdict: Bypass, Dst: addrs[0]}, {DstPorts: Ports{443, 443}}, {Verdict: Block, Dst: addrs[1]}})
		},
		"two policies": func(h *Host) error {
			if err := h.SetPolicy([]PolicyRule{{}}); err != nil {
				return err
			}
			return h.SetPolicy([]PolicyRule{{Verdict: Block}, {}})
		},
		"routes": func(h *Host) error {
			for _, p := range addrs {
				if err := h.AddRoute(p); err != nil {
					return err
				}
			}
			return nil
		},
		"flow":       func(h *Host) error { return h.AddFlow(PolicyRule{Dst: addrs[0], Proto: 6, SrcPorts: Ports{443, 443}}) },
		"forwarding": func(h *Host) error { return h.SetForwarding(true) },
	} {
		t.Run(name, func(t *testing.T) {
			fresh(t)
			upTUN(t)
			check(t, os.WriteFile("/proc/sys/net/ipv4/conf/eth0/rp_filter", []byte("1"), 0))
			check(t, os.WriteFile("/proc/sys/net/ipv4/conf/eth0/forwarding", []byte("1"), 0))
			before := snapshot(t)
			h := open(t, options(t))
			check(t, use(h))
			check(t, h.Close())
			check(t, h.Close())
			same(t, before)
		})
	}
}

func TestFirstMatchWins(t *testing.T) {
	fresh(t)
	h := open(t, options(t))
	check(t, h.SetAddresses(prefixes("10.200.0.1/32", "fd00:200::1/128")))
	check(t, h.SetPolicy([]PolicyRule{
		{Verdict: ToTUN, Dst: netip.MustParsePrefix("203.0.113.77/32"), Proto: 6, DstPorts: Ports{443, 443}},
		{Verdict: Bypass, Dst: netip.MustParsePrefix("203.0.113.77/32"), Proto: 6, DstPorts: Ports{1, 1000}},
		{Verdict: Block, Dst: netip.MustParsePrefix("203.0.113.77/32")},
		{Verdict: ToTUN, Dst: netip.MustParsePrefix("203.0.113.0/24")},
		{Verdict: ToTUN, Dst: netip.MustParsePrefix("2001:db8:77::/48")},
		{Verdict: Bypass, Src: netip.MustParsePrefix("192.0.2.100/32"), Dst: netip.MustParsePrefix("198.51.100.0/24")},
		{Verdict: Block, DstPorts: Ports{25, 25}},
	}))
	for _, c := range []struct{ query, want string }{
		{"203.0.113.77 ipproto tcp dport 443", "warren0"},
		{"203.0.113.77 ipproto tcp dport 442", "eth0"},
		{"203.0.113.77 ipproto tcp dport 2000", "refused"},
		{"203.0.113.77 ipproto udp dport 443", "refused"},
		{"203.0.113.77 ipproto tcp", "warren0"}, // no ports: may be a fragment
		{"203.0.113.78", "warren0"},
		{"203.0.113.78 mark 0x7761", "eth0"},
		{"203.0.113.77 mark 0x7761 ipproto udp dport 443", "eth0"},
		{"2001:db8:77::1", "warren0"},
		{"2001:db8:77::1 mark 0x7761", "eth0"},
		{"2001:db8:78::1 ipproto tcp dport 25", "refused"},
		{"198.51.100.1 ipproto tcp dport 25", "refused"},
		{"198.51.100.1 from 192.0.2.100 ipproto tcp dport 25", "eth0"},
		{"198.51.100.1 ipproto icmp", "eth0"},
		{"192.0.2.100", "lo"},
	} {
		if got := way(t, strings.Fields(c.query)...); got != c.want {
			t.Errorf("%s: %s, want %s", c.query, got, c.want)
		}
	}
}

func TestMainCannotPullProtectedTrafficOut(t *testing.T) {
	fresh(t)
	h := open(t, options(t))
	check(t, h.SetAddresses(prefixes("10.200.0.1/32", "fd00:200::1/128")))
	check(t, h.SetPolicy([]PolicyRule{{Dst: netip.MustParsePrefix("203.0.113.0/24")}, {Dst: netip.MustParsePrefix("2001:db8:77::/48")}}))
	eth0, err := netlink.LinkByName("eth0")
	check(t, err)
	for _, p := range prefixes("203.0.113.77/32", "2001:db8:77::1/128") {
		check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: ipNet(p)}))
		if got := way(t, p.Addr().String()); got != "warren0" {
			t.Errorf("%s with a route of its own in main: %s", p, got)
		}
	}
	tun, err := netlink.LinkByName("warren0")
	check(t, err)
	check(t, netlink.LinkDel(tun))
	for _, q := range []string{"203.0.113.77", "2001:db8:77::1", "2001:db8:77::1 oif eth0"} {
		if got := way(t, strings.Fields(q)...); got != "refused" {
			t.Errorf("%s without the TUN: %s", q, got)
		}
	}
	if got := way(t, "203.0.113.77", "mark", "0x7761"); got != "eth0" {
		t.Errorf("own socket without the TUN: %s", got)
	}
}

func TestDoubleOpenIsRefused(t *testing.T) {
	fresh(t)
	opt := options(t)
	open(t, opt)
	_, err := Open(opt)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("is held by node \"alice\" (pid %d)", os.Getpid())) {
		t.Fatalf("second Open: %v", err)
	}
}

func TestDamagedJournal(t *testing.T) {
	fresh(t)
	opt := options(t)
	before := snapshot(t)
	h, err := Open(opt)
	check(t, err)
	check(t, h.SetForwarding(true))
	check(t, h.SetPolicy([]PolicyRule{{Dst: netip.MustParsePrefix("203.0.113.0/24")}}))
	abandon(h)
	b, err := os.ReadFile(opt.Journal)
	check(t, err)
	check(t, os.WriteFile(opt.Journal, append(b, `{"sysctl":{"key":"net/ipv4`...), 0o600))
	var log bytes.Buffer
	opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	h, err = Open(opt)
	check(t, err)
	if !strings.Contains(log.String(), "damaged") {
		t.Errorf("no word about the damage: %s", &log)
	}
	if got := way(t, "203.0.113.7"); got != "warren0" {
		t.Errorf("protected traffic between Open and SetPolicy: %s", got)
	}
	check(t, h.Close())
	tun, err := netlink.LinkByName("warren0")
	check(t, err)
	check(t, netlink.LinkSetDown(tun))
	same(t, before)
}

// abandon drops a Host as a killed process does.
func abandon(h *Host) { h.disconnect() }
