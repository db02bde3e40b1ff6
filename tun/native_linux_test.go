package tun_test

import (
	"encoding/binary"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/tun"
	"warren/tun/tuntest"
)

// needRoot skips a test that needs a network namespace, and fails it in CI.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root for a network namespace and a TUN device")
	}
	t.Skip("needs root for a network namespace and a TUN device")
}

// inNamespace runs f on a thread in a network namespace of its own, which goes
// with the thread and with what f opened.
func inNamespace(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func openReal(o tun.Options) func(t *testing.T) tuntest.Harness {
	o.Name, o.MTU = "wtest0", 1400
	return func(t *testing.T) tuntest.Harness { return harness(t, o) }
}

func harness(t *testing.T, o tun.Options) (h tuntest.Harness) {
	needRoot(t)
	var conn *net.UDPConn
	inNamespace(t, func() error {
		dev, err := tun.Open(o)
		if err != nil {
			return err
		}
		h.Device = dev
		link, err := netlink.LinkByName("wtest0")
		if err != nil {
			return err
		}
		addr, _ := netlink.ParseAddr(tuntest.Kernel.Addr().String() + "/24")
		if err := netlink.AddrAdd(link, addr); err != nil {
			return err
		}
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(tuntest.Kernel))
		return err
	})
	t.Cleanup(func() { conn.Close(); h.Device.Close() })
	h.Emit = func(b []byte) {
		if _, err := conn.WriteToUDPAddrPort(b, tuntest.Peer); err != nil {
			t.Error(err)
		}
	}
	h.EmitRun = func(b []byte, segment int) {
		oob := make([]byte, unix.CmsgSpace(2))
		c := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
		c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
		binary.NativeEndian.PutUint16(oob[unix.CmsgLen(0):], uint16(segment))
		if _, _, err := conn.WriteMsgUDPAddrPort(b, oob, tuntest.Peer); err != nil {
			t.Error(err)
		}
	}
	h.Collect = func() ([]byte, error) {
		buf := make([]byte, 4096)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, _, err := conn.ReadFromUDPAddrPort(buf)
		return buf[:n], err
	}
	return h
}

func TestContract(t *testing.T) {
	t.Run("offloads", func(t *testing.T) { tuntest.Contract(t, openReal(tun.Options{})) })
	t.Run("without TSO", func(t *testing.T) { tuntest.Contract(t, openReal(tun.Options{NoTSO: true})) })
	t.Run("without USO", func(t *testing.T) { tuntest.Contract(t, openReal(tun.Options{NoUSO: true, Queues: 2})) })
	t.Run("without io_uring", func(t *testing.T) { tuntest.Contract(t, openReal(tun.Options{NoRing: true})) })
	t.Run("queues", func(t *testing.T) { tuntest.Contract(t, openReal(tun.Options{Queues: 3})) })
}

// TestInfo holds what a device says of itself to what it was asked for.
func TestInfo(t *testing.T) {
	for name, tt := range map[string]struct {
		o    tun.Options
		want tun.Info
		note string
	}{
		"all":         {tun.Options{}, tun.Info{Queues: 1, VNet: true, TSO: true, USO: true, Ring: true}, ""},
		"no io_uring": {tun.Options{NoRing: true}, tun.Info{Queues: 1, VNet: true, TSO: true, USO: true}, "io_uring is off"},
		"queues":      {tun.Options{Queues: 3}, tun.Info{Queues: 3, VNet: true, TSO: true, USO: true, Ring: true}, ""},
		"without USO": {tun.Options{Queues: 2, NoUSO: true}, tun.Info{Queues: 2, VNet: true, TSO: true, Ring: true}, "uso is off"},
		"without TSO": {tun.Options{Queues: 3, NoTSO: true}, tun.Info{Queues: 1}, "one worker"},
	} {
		t.Run(name, func(t *testing.T) {
			dev := openReal(tt.o)(t).Device
			got := dev.Info()
			if note := strings.Join(got.Notes, "\n"); (note == "") != (tt.note == "") || !strings.Contains(note, tt.note) {
				t.Errorf("notes %q, want %q in them", note, tt.note)
			}
			got.Notes = nil
			if !reflect.DeepEqual(got, tt.want) || len(dev.Queues()) != tt.want.Queues {
				t.Errorf("Info() = %+v with %d queues, want %+v", got, len(dev.Queues()), tt.want)
			}
		})
	}
}

// TestReadSuper reads a run of datagrams that the kernel sends at once: as one
// super-packet where the device has USO, one by one where not.
func TestReadSuper(t *testing.T) {
	const count, size = 40, 700
	for name, tt := range map[string]struct {
		o    tun.Options
		want int
	}{"all": {tun.Options{}, 1}, "without USO": {tun.Options{NoUSO: true}, count}, "without TSO": {tun.Options{NoTSO: true}, count}} {
		t.Run(name, func(t *testing.T) {
			h := openReal(tt.o)(t)
			h.EmitRun(make([]byte, count*size), size)
			b := packet.NewBatch(64, 0)
			got := 0
			for bytes := 0; bytes < count*size; {
				n, err := h.Device.ReadBatch(b)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range b[:n] {
					if f, _, d := packet.ParseFlow(p.Bytes()); d != packet.Live || f.DstPort != tuntest.Peer.Port() {
						continue // a kernel says more than it is asked to
					}
					got++
					bytes += p.Len() - 28
				}
			}
			if got != tt.want {
				t.Errorf("%d reads, want %d", got, tt.want)
			}
		})
	}
}

func TestOpenNameTaken(t *testing.T) {
	needRoot(t)
	inNamespace(t, func() error {
		dev, err := tun.Open(tun.Options{Name: "wtest1"})
		if err != nil {
			return err
		}
		defer dev.Close()
		if _, err = tun.Open(tun.Options{Name: "wtest1"}); err == nil || !strings.Contains(err.Error(), "wtest1 already exists") {
			t.Errorf("second Open: %v, want that wtest1 already exists", err)
		}
		if _, err = tun.Open(tun.Options{Name: "lo"}); err == nil || !strings.Contains(err.Error(), "already exists") {
			t.Errorf("Open of lo: %v, want that it already exists", err)
		}
		if _, err = tun.Open(tun.Options{Name: strings.Repeat("x", 16)}); err == nil || !strings.Contains(err.Error(), "tun.name") {
			t.Errorf("Open of a long name: %v, want one that names tun.name", err)
		}
		return nil
	})
}

// TestSegments looks at how large super-packets may get: sealed, as large as the
// path takes, they must all go in one UDP datagram's 65507 bytes.
func TestSegments(t *testing.T) {
	needRoot(t)
	inNamespace(t, func() error {
		for mtu, want := range map[int]uint32{1500: 44, 9000: 7} {
			dev, err := tun.Open(tun.Options{Name: "wtest2", MTU: mtu})
			if err != nil {
				return err
			}
			link, err := netlink.LinkByName("wtest2")
			dev.Close()
			if err != nil {
				return err
			}
			if got := link.Attrs().GSOMaxSegs; got != want {
				t.Errorf("MTU %d: %d packets in a super-packet, want %d", mtu, got, want)
			}
		}
		return nil
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
