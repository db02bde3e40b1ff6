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
	for name, o := range map[string]underlay.Options{"": {}, "plain ": {Plain: true}, "queues ": {Queues: 3}} {
		t.Run(name+"IPv4", func(t *testing.T) { memnet.Contract(t, openPair("127.0.0.1", "127.0.0.2", o)) })
		t.Run(name+"IPv6", func(t *testing.T) { memnet.Contract(t, openPair("fd00::1", "fd00::2", o)) })
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
	n := testing.AllocsPerRun(50, func() {
		for _, p := range b {
			p.Reset(packet.Headroom)
			copy(p.Append(1200), "espespesp")
			p.Kind = packet.KindESPinUDP
			p.Local, p.Remote = netip.AddrPortFrom(h.AddrA, 4500), netip.AddrPortFrom(h.AddrB, 4500)
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
