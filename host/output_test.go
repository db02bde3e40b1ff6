package host

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listener is a UDP socket in the neighbour's namespace.
func listener(t *testing.T, there func(func() error), port int) inbox {
	t.Helper()
	var c *net.UDPConn
	there(func() (err error) {
		c, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		return err
	})
	t.Cleanup(func() { c.Close() })
	check(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	return inbox{c}
}

// sendBound sends from a socket bound to eth0.
func sendBound(t *testing.T, to string, port int, text string, mark int) error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	check(t, err)
	defer unix.Close(fd)
	check(t, unix.BindToDevice(fd, "eth0"))
	check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1))
	check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, mark))
	return unix.Sendto(fd, []byte(text), 0, &unix.SockaddrInet4{Port: port, Addr: netip.MustParseAddr(to).As4()})
}

// sendRaw sends a packet whose headers the caller wrote (IP_HDRINCL).
func sendRaw(t *testing.T, packet []byte) error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	check(t, err)
	defer unix.Close(fd)
	check(t, unix.BindToDevice(fd, "eth0"))
	return unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: [4]byte(packet[16:20])})
}

// TestBoundSocketsCannotEvadeThePolicy is TunnelVision by a program's own choice:
// the neighbour answers ARP for every address, as an attacker would.
func TestBoundSocketsCannotEvadeThePolicy(t *testing.T) {
	fresh(t)
	there := neighbour(t)
	there(func() error {
		out, err := run("sh", "-ec", `for a in 203.0.113.7 198.51.100.7 10.99.1.7 10.99.2.7 10.99.3.7 10.99.3.8; do ip addr add $a/32 dev eth0p; done`)
		if err != nil {
			t.Log(out)
		}
		return err
	})
	in := map[int]inbox{7777: listener(t, there, 7777), 7778: listener(t, there, 7778)}
	h := open(t, options(t))
	check(t, h.SetAddresses(prefixes("10.200.0.1/32")))
	protected := netip.MustParsePrefix("203.0.113.0/24")
	other := netip.MustParsePrefix("198.51.100.0/24")
	flow := PolicyRule{Dst: netip.MustParsePrefix("10.99.2.0/24"), Proto: unix.IPPROTO_UDP, DstPorts: Ports{7777, 7777}}
	check(t, h.AddRoute(netip.MustParsePrefix("10.99.1.0/24")))
	check(t, h.AddFlow(flow))
	for _, a := range []string{"10.99.3.7/32", "10.99.3.8/32", "2001:db8::7/128"} {
		check(t, h.AddRoute(netip.MustParsePrefix(a)))
	}
	check(t, h.SetPolicy([]PolicyRule{
		{Verdict: Bypass, Dst: protected, Proto: unix.IPPROTO_UDP, DstPorts: Ports{7778, 7778}},
		{Dst: protected},
		{Dst: other, DstPorts: Ports{7000, 7777}},
		{Verdict: Block, Dst: netip.MustParsePrefix("198.18.0.0/15")},
	}))
	try := func(what, to string, port, mark int, passes bool) {
		t.Helper()
		err := sendBound(t, to, port, what, mark)
		if passes {
			check(t, err)
			if got := in[port].next(t); got != what {
				t.Errorf("%s: the neighbour got %q", what, got)
			}
		} else if !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, want it dropped", what, err)
		}
	}
	try("protected", "203.0.113.7", 7777, 0, false)
	try("bypassed port", "203.0.113.7", 7778, 0, true)
	try("the node itself", "203.0.113.7", 7777, testMark, true)
	try("protected port", "198.51.100.7", 7777, 0, false)
	try("port above it", "198.51.100.7", 7778, 0, true)
	try("blocked", "198.18.0.1", 7777, 0, false)
	try("no rule", "192.0.2.1", 7777, 0, true)
	try("accepted peer", "10.99.1.7", 7777, 0, false)
	try("accepted flow", "10.99.2.7", 7777, 0, false)
	try("lease", "10.99.3.7", 7777, 0, false)
	try("another lease", "10.99.3.8", 7777, 0, false)
	try("beside the flow", "10.99.2.7", 7778, 0, true)
	for what, at := range map[string]int{"first fragment of TCP, port 443": 0, "later fragment": 185} {
		p := slices.Concat([]byte{0x45, 0, 0, 28, 0, 1, byte(at >> 8), byte(at), 64, 6, 0, 0, 192, 0, 2, 100, 198, 51, 100, 7}, make([]byte, 8))
		p[23] = 187
		if err := sendRaw(t, p); errors.Is(err, unix.EPERM) != (at > 0) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check(t, h.RemoveRoute(netip.MustParsePrefix("10.99.1.0/24")))
	check(t, h.RemoveFlow(flow))
	check(t, h.RemoveRoute(netip.MustParsePrefix("10.99.3.7/32")))
	try("lease that is over", "10.99.3.7", 7777, 0, true)
	try("the other lease", "10.99.3.8", 7777, 0, false)
	try("peer that left", "10.99.1.7", 7777, 0, true)
	try("flow that left", "10.99.2.7", 7777, 0, true)
	check(t, h.SetPolicy([]PolicyRule{{Dst: other}}))
	try("no longer protected", "203.0.113.7", 7777, 0, true)
	try("now protected", "198.51.100.7", 7778, 0, false)
	try("the other lease, under the next policy", "10.99.3.8", 7777, 0, false)
	check(t, h.dropTable(h.opt.tableName())) // control
	try("without the table", "198.51.100.7", 7778, 0, true)
	check(t, h.SetPolicy([]PolicyRule{{Dst: other}}))
	try("table back", "198.51.100.7", 7778, 0, false)
	check(t, h.RemoveRoute(netip.MustParsePrefix("10.99.3.8/32"))) // which the new table does not have
	check(t, h.AddRoute(netip.MustParsePrefix("10.99.3.8/32")))
	try("a lease again", "10.99.3.8", 7777, 0, false)
}

func TestEverythingProtectedLeavesTheLinkItsBroadcasts(t *testing.T) {
	fresh(t)
	there := neighbour(t)
	in := listener(t, there, 7777)
	h := open(t, options(t))
	check(t, h.SetAddresses(prefixes("10.200.0.1/32")))
	check(t, h.SetPolicy([]PolicyRule{{}}))
	for _, to := range []string{"192.0.2.255", "255.255.255.255"} {
		check(t, sendBound(t, to, 7777, to, 0))
		if got := in.next(t); got != to {
			t.Errorf("%s: the neighbour got %q", to, got)
		}
	}
	check(t, sendBound(t, "224.0.0.251", 7777, "mdns", 0))
	for _, to := range []string{"192.0.2.1", "239.1.2.3"} {
		if err := sendBound(t, to, 7777, to, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, want it dropped", to, err)
		}
	}
	before := snapshot(t)
	check(t, h.SetPolicy([]PolicyRule{{}}))
	swap := strings.NewReplacer(policyChain+"a", policyChain+"b", policyChain+"b", policyChain+"a")
	if got := sorted(swap.Replace(snapshot(t))); got != sorted(before) {
		t.Errorf("the same policy again: %s, before: %s", got, before)
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
