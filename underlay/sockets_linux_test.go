package underlay_test

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/underlay"
	"warren/underlay/memnet"
)

// needRoot skips a test that needs a network namespace, and fails it in CI.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root for a network namespace and raw sockets")
	}
	t.Skip("needs root for a network namespace and raw sockets")
}

// inNamespace runs f on a thread in a network namespace of its own with lo up.
// The namespace goes with the thread and with what f opened.
func inNamespace(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		for _, a := range []string{"fd00::1/128", "fd00::2/128"} {
			addr, _ := netlink.ParseAddr(a)
			addr.Flags = unix.IFA_F_NODAD
			if err == nil {
				err = netlink.AddrAdd(lo, addr)
			}
		}
		if err == nil {
			err = settle("fd00::1", "fd00::2")
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// settle waits until a datagram passes from a to b: the kernel loses the first
// ones of a fresh IPv6 address, whose set-up ends in a work queue.
func settle(a, b string) error {
	to, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.ParseIP(b)})
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.ParseIP(a)})
	if err != nil {
		return err
	}
	defer from.Close()
	for range 100 {
		if _, err = from.WriteTo([]byte("?"), to.LocalAddr()); err != nil {
			continue
		}
		if err = to.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			return err
		}
		if _, err = to.Read(make([]byte, 1)); err == nil {
			return nil
		}
	}
	return err
}

func openPair(a, b string, o underlay.Options) func(*testing.T) memnet.Harness {
	return func(t *testing.T) (h memnet.Harness) {
		needRoot(t)
		h.AddrA, h.AddrB = netip.MustParseAddr(a), netip.MustParseAddr(b)
		inNamespace(t, func() error {
			oa, ob := o, o
			oa.Addr, ob.Addr, oa.Mark = h.AddrA, h.AddrB, 7
			sa, err := underlay.Open(oa)
			if err != nil {
				return err
			}
			sb, err := underlay.Open(ob)
			h.A, h.B = sa, sb
			return err
		})
		return h
	}
}

func TestContract(t *testing.T) {
	for name, o := range map[string]underlay.Options{
		"": {}, "without GSO ": {NoGSO: true}, "without GRO ": {NoGRO: true, Queues: 2},
		"without both ": {NoGSO: true, NoGRO: true}, "queues ": {Queues: 3},
	} {
		t.Run(name+"IPv4", func(t *testing.T) { memnet.Contract(t, openPair("127.0.0.1", "127.0.0.2", o)) })
		t.Run(name+"IPv6", func(t *testing.T) { memnet.Contract(t, openPair("fd00::1", "fd00::2", o)) })
	}
}

// TestInfo holds what the sockets say of themselves to what they were asked for.
func TestInfo(t *testing.T) {
	for name, tt := range map[string]struct {
		o     underlay.Options
		want  underlay.Info
		notes []string
	}{
		"all":         {underlay.Options{}, underlay.Info{Queues: 1, GSO: true, GRO: true}, nil},
		"queues":      {underlay.Options{Queues: 3}, underlay.Info{Queues: 3, GSO: true, GRO: true}, nil},
		"without GSO": {underlay.Options{NoGSO: true}, underlay.Info{Queues: 1, GRO: true}, []string{"gso is off"}},
		"without GRO": {underlay.Options{NoGRO: true, Queues: 2}, underlay.Info{Queues: 2, GSO: true}, []string{"gro is off"}},
		"neither":     {underlay.Options{NoGSO: true, NoGRO: true}, underlay.Info{Queues: 1}, []string{"gso is off", "gro is off"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := openPair("127.0.0.1", "127.0.0.2", tt.o)(t)
			defer h.A.Close()
			defer h.B.Close()
			got := h.A.Info()
			if got.Queues != tt.want.Queues || got.GSO != tt.want.GSO || got.GRO != tt.want.GRO || len(h.A.Queues()) != got.Queues {
				t.Errorf("Info() = %+v with %d queues, want %+v", got, len(h.A.Queues()), tt.want)
			}
			if len(got.Notes) != len(tt.notes) {
				t.Fatalf("notes %q, want %q", got.Notes, tt.notes)
			}
			for i, note := range tt.notes {
				if !strings.Contains(got.Notes[i], note) {
					t.Errorf("note %q, want %q in it", got.Notes[i], note)
				}
			}
		})
	}
}

func TestOpenWildcardHasBothFamilies(t *testing.T) {
	needRoot(t)
	inNamespace(t, func() error {
		s, err := underlay.Open(underlay.Options{})
		if err != nil {
			return err
		}
		defer s.Close()
		if got := s.Info(); !got.IPv6 || !got.RawESP || got.IKE != 500 || got.NATT != 4500 || len(s.Readers()) != 6 {
			t.Errorf("Info() = %+v with %d readers, want both families and six sockets", got, len(s.Readers()))
		}
		return nil
	})
}

func TestOpenPortTaken(t *testing.T) {
	needRoot(t)
	inNamespace(t, func() error {
		taken, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 4500})
		if err != nil {
			return err
		}
		defer taken.Close()
		_, err = underlay.Open(underlay.Options{})
		if err == nil {
			t.Fatal("Open succeeds")
		}
		for _, want := range []string{"4500", "address already in use", "ss -ulpn", "listen.nat_t"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %q", err, want)
			}
		}
		_, err = underlay.Open(underlay.Options{Addr: netip.MustParseAddr("192.0.2.77")})
		if err == nil || !strings.Contains(err.Error(), "listen.address") {
			t.Errorf("foreign address: %v, want one that names listen.address", err)
		}
		return nil
	})
}

func TestAllocs(t *testing.T) {
	h := openPair("127.0.0.1", "127.0.0.2", underlay.Options{})(t)
	defer h.A.Close()
	defer h.B.Close()
	b, in := packet.NewBatch(32, 1500), packet.NewBatch(32, packet.MaxPacket)
	r := h.B.Readers()[1] // the NAT-T socket
	ends := &packet.Ends{Local: netip.AddrPortFrom(h.AddrA, 4500), Remote: netip.AddrPortFrom(h.AddrB, 4500)}
	n := testing.AllocsPerRun(50, func() {
		for _, p := range b {
			p.Reset(packet.Headroom)
			copy(p.Append(1200), "espespesp")
			p.Kind = packet.KindESPinUDP
			p.Ends = ends
		}
		if n, err := h.A.WriteBatch(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		for n := 0; n < len(b); {
			got, err := r.ReadBatch(in)
			if err != nil {
				t.Fatal(err)
			}
			n += got
		}
	})
	if n != 0 {
		t.Errorf("a batch there allocates %v times, want 0", n)
	}
}

// TestPeersAreDivided has many peers send: each stays with a queue, and no queue
// has all.
func TestPeersAreDivided(t *testing.T) {
	needRoot(t)
	const peers, each = 40, 5
	var node *underlay.Sockets
	var conns []*net.UDPConn
	inNamespace(t, func() (err error) {
		node, err = underlay.Open(underlay.Options{Addr: netip.MustParseAddr("127.0.0.2"), Queues: 3})
		for range peers {
			var c *net.UDPConn
			if err == nil {
				c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.2:4500")))
			}
			conns = append(conns, c)
		}
		return err
	})
	defer node.Close()
	for i := range peers * each {
		if _, err := conns[i%peers].Write([]byte("esp packet")); err != nil {
			t.Fatal(err)
		}
	}
	queues, count := map[netip.AddrPort]int{}, map[int]int{}
	for i, q := range node.Queues() {
		b := packet.NewBatch(peers*each, 0)
		n := 0
		for _, r := range q.Readers() {
			for more := -1; more != 0; n += more {
				var err error
				if more, err = r.TryBatch(b[n:]); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, p := range b[:n] {
			if before, ok := queues[p.Remote()]; ok && before != i {
				t.Errorf("%v comes by queues %d and %d", p.Remote(), before, i)
			}
			queues[p.Remote()] = i
			count[i]++
		}
	}
	if len(queues) != peers || len(count) < 2 || count[0]+count[1]+count[2] != peers*each {
		t.Errorf("%d peers by queues %v", len(queues), count)
	}
	for _, c := range conns {
		c.Close()
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
