package host

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestOwnWay(t *testing.T) {
	fresh(t)
	eth0, err := netlink.LinkByName("eth0")
	check(t, err)
	check(t, netlink.LinkSetMTU(eth0, 1400))
	h := open(t, options(t))
	check(t, h.SetAddresses(prefixes("10.200.0.1/32", "fd00:200::1/128")))
	check(t, h.SetPolicy([]PolicyRule{{}}))
	for dst, want := range map[string]string{"203.0.113.1": "192.0.2.100", "2001:db8:1::1": "2001:db8::100"} {
		src, err := h.SourceFor(netip.MustParseAddr(dst))
		check(t, err)
		mtu, err := h.LinkMTU(netip.MustParseAddr(dst))
		check(t, err)
		if src.String() != want || mtu != 1400 {
			t.Errorf("towards %s: source %s, MTU %d; want %s, 1400", dst, src, mtu, want)
		}
	}
}

func TestStrictFiltersAreLoosened(t *testing.T) {
	fresh(t)
	key := "/proc/sys/net/ipv4/conf/all/rp_filter"
	check(t, os.WriteFile(key, []byte("1"), 0))
	var log bytes.Buffer
	opt := options(t)
	opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	h := open(t, opt)
	check(t, h.SetPolicy([]PolicyRule{{}}))
	for _, i := range []string{"eth0", "warren0"} {
		if v, _ := h.ns.read("net/ipv4/conf/" + i + "/rp_filter"); v != "2" {
			t.Errorf("%s: rp_filter %s", i, v)
		}
	}
	if !strings.Contains(log.String(), "reverse-path") {
		t.Errorf("no warning: %s", &log)
	}
}

func TestInterfacesThatComeLaterAreLoosenedWhenUsed(t *testing.T) {
	fresh(t)
	before := snapshot(t)
	h := open(t, options(t))
	check(t, h.SetPolicy([]PolicyRule{{Dst: netip.MustParsePrefix("203.0.113.0/24")}}))
	late := wire(t, "late", "198.51.100.100/24")
	key := "net/ipv4/conf/late/rp_filter"
	check(t, h.ns.write(key, "1"))
	_, err := h.SourceFor(netip.MustParseAddr("192.0.2.1"))
	check(t, err)
	if v, _ := h.ns.read(key); v != "1" {
		t.Errorf("an interface that is not used: rp_filter %s", v)
	}
	_, err = h.SourceFor(netip.MustParseAddr("198.51.100.1"))
	check(t, err)
	if v, _ := h.ns.read(key); v != "2" {
		t.Errorf("rp_filter %s", v)
	}
	check(t, h.Close())
	if v, _ := currentValue(key); v != "1" {
		t.Errorf("after Close: rp_filter %s", v)
	}
	check(t, netlink.LinkDel(late))
	tun, err := netlink.LinkByName("warren0")
	check(t, err)
	check(t, netlink.LinkSetDown(tun))
	same(t, before)
}

func currentValue(key string) (string, error) {
	b, err := os.ReadFile("/proc/sys/" + key)
	return strings.TrimSpace(string(b)), err
}

func TestPeersMayShareARoute(t *testing.T) {
	fresh(t)
	h := open(t, options(t))
	for _, text := range []string{"10.99.1.7/24", "2001:db8:99::7/64"} {
		unmasked := netip.MustParsePrefix(text)
		p := unmasked.Masked()
		for _, c := range []struct {
			what string
			do   func(netip.Prefix) error
			p    netip.Prefix
			want string
		}{
			{"first", h.AddRoute, p, "warren0"},
			{"second, written otherwise", h.AddRoute, unmasked, "warren0"},
			{"one left", h.RemoveRoute, p, "warren0"},
			{"none left", h.RemoveRoute, p, "eth0"},
			{"one too many", h.RemoveRoute, p, "eth0"},
			{"again", h.AddRoute, p, "warren0"},
			{"and gone", h.RemoveRoute, p, "eth0"},
		} {
			check(t, c.do(c.p))
			if got := way(t, unmasked.Addr().String()); got != c.want {
				t.Errorf("%s, %s: %s, want %s", text, c.what, got, c.want)
			}
		}
	}
}

func TestForwardingKeepsWhatInterfacesHad(t *testing.T) {
	fresh(t)
	check(t, os.WriteFile("/proc/sys/net/ipv6/conf/eth0/forwarding", []byte("1"), 0))
	before := snapshot(t)
	h := open(t, options(t))
	check(t, h.SetForwarding(true))
	for _, key := range []string{"net/ipv4/conf/eth0p/forwarding", "net/ipv6/conf/eth0p/forwarding"} {
		if v, _ := h.ns.read(key); v != "1" {
			t.Errorf("%s: %s", key, v)
		}
	}
	check(t, h.SetForwarding(false))
	same(t, before)
}

func TestParseJournalNeverTouchesWhatIsNotOurs(t *testing.T) {
	good := `{"node":"a","layout":{"table":42,"priority":1000,"mark":1}}` + "\n"
	for _, c := range []struct {
		name, text string
		changes    int
		damaged    bool
	}{
		{"empty", "", 0, false},
		{"good", good, 1, false},
		{"truncated", good[:30], 0, true},
		{"truncated later", good + good[:30], 1, true},
		{"binary", "\x00\xff\n", 0, true},
		{"priority of the main table", `{"layout":{"table":1,"priority":32000}}`, 0, true},
		{"sysctl outside net", good + `{"sysctl":{"key":"kernel/core_pattern","old":"|x"}}`, 1, true},
		{"sysctl that climbs", good + `{"sysctl":{"key":"net/../kernel/core_pattern","old":"|x"}}`, 1, true},
		{"somebody else's nftables table", good + `{"nftable":"filter"}`, 1, true},
		{"address of nothing", good + `{"address":{"interface":"","prefix":"10.0.0.1/32"}}`, 1, true},
	} {
		s := parseJournal([]byte(c.text))
		if len(s.changes) != c.changes || (s.damaged != "") != c.damaged {
			t.Errorf("%s: %d changes, damage %q", c.name, len(s.changes), s.damaged)
		}
	}
}

func FuzzParseJournal(f *testing.F) {
	f.Add([]byte(`{"sysctl":{"key":"net/ipv4/ip_forward","old":"0","new":"1"}}`))
	f.Add([]byte(`{"layout":{"table":42,"priority":1000,"mark":1}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range parseJournal(b).changes {
			if c.Sysctl != nil && !strings.HasPrefix(filepath.Join("/proc/sys", c.Sysctl.Key), "/proc/sys/net/") {
				t.Errorf("would write %q", c.Sysctl.Key)
			}
		}
	})
}

func TestMissingTUNDeviceNamesTheWayOut(t *testing.T) {
	err := checkTUN(filepath.Join(t.TempDir(), "tun"))
	if err == nil || !strings.Contains(err.Error(), "modprobe tun") {
		t.Errorf("%v", err)
	}
}
