package underlay

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"warren/packet"
)

// TestSendRunFallback has runs refused when they are sent and not before: the packets
// arrive all the same, and are sent one by one from then on. This kernel cuts nothing
// without UDP checksums; older ones say EIO for a device without checksum offload.
func TestSendRunFallback(t *testing.T) {
	t.Run("by the kernel", func(t *testing.T) {
		testSendRunFallback(t, "invalid argument", func(sock *socket) {
			var err error
			if closed := sock.file.Call(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
			}); closed != nil || err != nil {
				t.Fatal(closed, err)
			}
		})
	})
	t.Run("by a device", func(t *testing.T) {
		testSendRunFallback(t, "input/output error", func(sock *socket) {
			s := &sock.sender
			real := s.call
			s.call = func(fd uintptr) {
				if s.parts > 1 {
					s.err = unix.EIO
					return
				}
				real(fd)
			}
		})
	})
}

func testSendRunFallback(t *testing.T, want string, refuse func(*socket)) {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")}
	var nodes []*Sockets
	for _, a := range addrs {
		s, err := Open(Options{Addr: a, IKE: 20500, NATT: 24500, NoESP: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		nodes = append(nodes, s)
	}
	sock := nodes[0].pick[roleNATT][0]
	refuse(sock)
	b := packet.NewBatch(20, 1500)
	for i, p := range b {
		p.Set(bytes.Repeat([]byte{byte(i + 1)}, 1000))
		p.Kind = packet.KindESPinUDP
		p.Ends = &packet.Ends{Local: netip.AddrPortFrom(addrs[0], 24500), Remote: netip.AddrPortFrom(addrs[1], 24500)}
	}
	if n, err := nodes[0].WriteBatch(b); n != len(b) || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want %d", n, err, len(b))
	}
	if sock.gso.Load() {
		t.Error("runs are tried again")
	}
	if info := nodes[0].Info(); info.GSO || len(info.Notes) != 1 || !strings.Contains(info.Notes[0], want) {
		t.Errorf("Info() = %+v, want the error in a note", info)
	}
	in := packet.NewBatch(len(b), 0)
	for got := 0; got < len(b); {
		n, err := nodes[1].Readers()[1].ReadBatch(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range in[:n] {
			if got++; !bytes.Equal(p.Bytes(), bytes.Repeat([]byte{byte(got)}, 1000)) {
				t.Fatalf("datagram %d is % x", got, p.Bytes()[:8])
			}
		}
	}
}
