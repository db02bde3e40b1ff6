package host

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// neighbour moves eth0p into a namespace of its own and returns a way to make
// sockets there; addresses 192.0.2.1 and 2001:db8::1, everything via eth0.
func neighbour(t *testing.T) func(make func() error) {
	t.Helper()
	do := make(chan func())
	fd := make(chan int)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread dies with the namespace
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			fd <- -1
			return
		}
		f, _ := os.Open(threadNS)
		defer f.Close()
		fd <- int(f.Fd())
		for fn := range do {
			fn()
		}
	}()
	n := <-fd
	link, err := netlink.LinkByName("eth0p")
	check(t, err)
	check(t, netlink.LinkSetNsFd(link, n))
	t.Cleanup(func() { close(do) })
	there := func(fn func() error) {
		t.Helper()
		done := make(chan error)
		do <- func() { done <- fn() }
		check(t, <-done)
	}
	there(func() error {
		out, err := run("sh", "-ec", `echo 1 >/proc/sys/net/ipv6/conf/eth0p/addr_gen_mode
			ip addr add 192.0.2.1/24 dev eth0p; ip -6 addr add 2001:db8::1/64 dev eth0p nodad; ip link set eth0p up
			ip route add default via 192.0.2.100; ip -6 route add default via 2001:db8::100`)
		if err != nil {
			t.Log(out)
		}
		return err
	})
	return there
}

// inbox is a UDP socket of the host, on every address.
type inbox struct{ *net.UDPConn }

func newInbox(t *testing.T) inbox {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{Port: 7777})
	check(t, err)
	t.Cleanup(func() { c.Close() })
	check(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	return inbox{c}
}

func (i inbox) next(t *testing.T) string {
	t.Helper()
	b := make([]byte, 100)
	n, err := i.Read(b)
	check(t, err)
	return string(b[:n])
}

func dropped(t *testing.T, h *Host, chain string) (packets uint64) {
	t.Helper()
	c, err := h.connectNFT()
	check(t, err)
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: h.opt.tableName()}
	rules, err := c.GetRules(table, &nftables.Chain{Name: chain})
	check(t, err)
	for _, r := range rules {
		for _, e := range r.Exprs {
			if n, ok := e.(*expr.Counter); ok {
				packets += n.Packets
			}
		}
	}
	return packets
}

// TestTUNAddressIsReachedOnlyThroughTheTUN is CVE-2019-14899: a neighbour on the
// link probes the address inside the tunnel.
func TestTUNAddressIsReachedOnlyThroughTheTUN(t *testing.T) {
	for _, c := range []struct{ name, own, host string }{
		{"IPv4", "10.200.0.1", "192.0.2.100"},
		{"IPv6", "fd00:200::1", "2001:db8::100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh(t)
			there := neighbour(t)
			h := open(t, options(t))
			check(t, h.SetAddresses(prefixes("10.200.0.1/32", "fd00:200::1/128")))
			in := newInbox(t)
			send := func(to, text string) {
				t.Helper()
				there(func() error {
					conn, err := net.Dial("udp", net.JoinHostPort(to, "7777"))
					if err != nil {
						return err
					}
					defer conn.Close()
					_, err = conn.Write([]byte(text))
					return err
				})
			}
			send(c.own, "probe")
			send(c.host, "after")
			if got := in.next(t); got != "after" {
				t.Errorf("with the shield: the host got %q", got)
			}
			if n := dropped(t, h, shieldChain); n != 1 {
				t.Errorf("counted %d packets, want 1", n)
			}
			if got := throughTUN(t, in, c.own); got != "inside" {
				t.Errorf("through the TUN: the host got %q", got)
			}
			conn, err := net.Dial("udp", net.JoinHostPort(c.own, "7777"))
			check(t, err)
			defer conn.Close()
			conn.Write([]byte("local"))
			if got := in.next(t); got != "local" {
				t.Errorf("from itself: the host got %q", got)
			}
			check(t, h.dropTable(h.opt.tableName())) // control
			send(c.own, "probe")
			if got := in.next(t); got != "probe" {
				t.Errorf("without the shield: the host got %q", got)
			}
		})
	}
}

// throughTUN sends a UDP packet out of the tunnel and returns what came of it.
func throughTUN(t *testing.T, in inbox, to string) string {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	check(t, err)
	defer unix.Close(fd)
	req, err := unix.NewIfreq("warren0")
	check(t, err)
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	check(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, req))
	udp := &layers.UDP{SrcPort: 9, DstPort: 7777}
	var ip gopacket.SerializableLayer
	if a := netip.MustParseAddr(to); a.Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{10, 201, 0, 1}, DstIP: a.AsSlice()}
		check(t, udp.SetNetworkLayerForChecksum(v4))
		ip = v4
	} else {
		v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: net.ParseIP("fd00:201::1"), DstIP: a.AsSlice()}
		check(t, udp.SetNetworkLayerForChecksum(v6))
		ip = v6
	}
	b := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload("inside")))
	defer in.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, 100)
	for range 200 { // the kernel takes packets a moment after the TUN's file is opened
		_, err = unix.Write(fd, b.Bytes())
		check(t, in.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		if n, err := in.Read(got); err == nil {
			return string(got[:n])
		}
	}
	t.Fatal(err)
	return ""
}

func TestShieldFollowsTheAddresses(t *testing.T) {
	fresh(t)
	h := open(t, options(t))
	lines := func() int { return strings.Count(snapshot(t), "Counter") }
	for _, c := range []struct {
		addrs []netip.Prefix
		want  int
	}{
		{prefixes("10.200.0.1/32", "fd00:200::1/128"), 2},
		{prefixes("10.200.0.2/32"), 1},
		{prefixes("10.200.0.2/32", "fe80::7/64"), 1},     // link-local: the kernel does it
		{prefixes("10.200.0.2/32", "192.0.2.100/32"), 1}, // eth0's
		{nil, 0},
	} {
		check(t, h.SetAddresses(c.addrs))
		if got := lines(); got != c.want {
			t.Errorf("%v: %d addresses shielded, want %d", c.addrs, got, c.want)
		}
	}
}

func TestWithoutNFTablesTheNodeRuns(t *testing.T) {
	for _, e := range []error{unix.EPERM, unix.EPROTONOSUPPORT, unix.EOPNOTSUPP} {
		fresh(t)
		before := snapshot(t)
		var log bytes.Buffer
		opt := options(t)
		opt.Log = slog.New(slog.NewTextHandler(&log, nil))
		h := open(t, opt)
		h.nft = func() (*nftables.Conn, error) { return nil, os.NewSyscallError("socket", e) }
		check(t, h.SetAddresses(prefixes("10.200.0.1/32")))
		check(t, h.SetAddresses(prefixes("10.200.0.2/32")))
		check(t, h.SetPolicy([]PolicyRule{{}}))
		if n := strings.Count(log.String(), "CVE-2019-14899"); n != 1 {
			t.Errorf("%v: %d warnings: %s", e, n, &log)
		}
		check(t, h.Close())
		tun, err := netlink.LinkByName("warren0")
		check(t, err)
		check(t, netlink.LinkSetDown(tun))
		same(t, before)
	}
}
