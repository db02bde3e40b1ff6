package tuntest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"warren/packet"
	"warren/tun"
)

// The two ends of the datagrams that Contract sends: the kernel behind the
// device, and whoever reads and writes the device.
var (
	Kernel = netip.MustParseAddrPort("192.0.2.1:7000")
	Peer   = netip.MustParseAddrPort("192.0.2.2:7000")
)

// A Harness is a device and the kernel behind it, reduced to UDP.
type Harness struct {
	Device  tun.Device
	Emit    func(payload []byte)               // the kernel sends from Kernel to Peer
	Collect func() (payload []byte, err error) // what the kernel got at Kernel
}

// Contract tests what every tun.Device promises.
func Contract(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("read keeps order and headroom", func(t *testing.T) { testRead(t, open(t)) })
	t.Run("write skips what was refused", func(t *testing.T) { testWrite(t, open(t)) })
	t.Run("write of more than a table holds", func(t *testing.T) { testWriteMany(t, open(t)) })
	t.Run("mtu", func(t *testing.T) { testMTU(t, open(t)) })
	t.Run("close", func(t *testing.T) { testClose(t, open(t)) })
}

func payload(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100+i) }

func testRead(t *testing.T, h Harness) {
	const count = 20
	for i := range count {
		h.Emit(payload(i))
	}
	b := packet.NewBatch(8, 2048)
	for next := 0; next < count; {
		n, err := h.Device.ReadBatch(b)
		if err != nil || n < 1 {
			t.Fatalf("ReadBatch = %d, %v", n, err)
		}
		for _, p := range b[:n] {
			if p.Drop != packet.Live || p.Headroom() != packet.Headroom {
				t.Fatalf("packet is %v with headroom %d", p.Drop, p.Headroom())
			}
			f, info, d := packet.ParseFlow(p.Bytes())
			if d != packet.Live {
				t.Fatalf("packet does not parse: %v", d)
			}
			if f.Dst != Peer.Addr() || f.Proto != packet.ProtoUDP || f.DstPort != Peer.Port() {
				continue // a kernel says more than it is asked to
			}
			if got := p.Bytes()[info.HeaderLen+packet.UDPHeaderLen:]; !bytes.Equal(got, payload(next)) {
				t.Fatalf("packet %d has payload of %d bytes, want %d", next, len(got), len(payload(next)))
			}
			next++
		}
	}
}

// Datagram makes the IPv4 packet with a UDP datagram from one end to the other.
func Datagram(from, to netip.AddrPort, data []byte) []byte {
	n := packet.IPv4HeaderLen + packet.UDPHeaderLen
	b := make([]byte, n+len(data))
	packet.PutIP(b, packet.IPHeader{Src: from.Addr(), Dst: to.Addr(), Proto: packet.ProtoUDP, TTL: 64, DF: true, Len: len(b)})
	packet.PutUDP(b[packet.IPv4HeaderLen:], from.Port(), to.Port(), packet.UDPHeaderLen+len(data))
	copy(b[n:], data)
	packet.SetUDPChecksum(b)
	return b
}

func collect(t *testing.T, h Harness, want ...[]byte) {
	t.Helper()
	for i, w := range want {
		got, err := h.Collect()
		if err != nil {
			t.Fatalf("datagram %d of %d: %v", i, len(want), err)
		}
		if !bytes.Equal(got, w) {
			t.Fatalf("datagram %d has %d bytes %.8x, want %d bytes %.8x", i, len(got), got, len(w), w)
		}
	}
}

func testWrite(t *testing.T, h Harness) {
	b := packet.NewBatch(5, 2048)
	var want [][]byte
	for i, p := range b {
		p.Set(Datagram(Peer, Kernel, payload(i)))
		if i%2 == 1 {
			p.Drop = packet.Replay
			continue
		}
		want = append(want, payload(i))
	}
	if n, err := h.Device.WriteBatch(b); n != len(want) || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want %d", n, err, len(want))
	}
	if b[1].Drop != packet.Replay || b[0].Drop != packet.Live {
		t.Errorf("drops are %v and %v, want them unchanged", b[0].Drop, b[1].Drop)
	}
	collect(t, h, want...)
	if n, err := h.Device.WriteBatch(nil); n != 0 || err != nil {
		t.Errorf("WriteBatch(nil) = %d, %v", n, err)
	}
}

// testWriteMany writes more flows at once than a coalescing table may hold.
func testWriteMany(t *testing.T, h Harness) {
	b := packet.NewBatch(200, packet.MaxPacket) // 128 flows fill the library's
	var want [][]byte
	for i, p := range b {
		from := netip.AddrPortFrom(Peer.Addr(), uint16(1000+i))
		data := []byte(fmt.Sprintf("flow %03d", i))
		p.Set(Datagram(from, Kernel, data))
		want = append(want, data)
	}
	if n, err := h.Device.WriteBatch(b); n != len(b) || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want %d", n, err, len(b))
	}
	collect(t, h, want...)
}

func testMTU(t *testing.T, h Harness) {
	if err := h.Device.SetMTU(1234); err != nil || h.Device.MTU() != 1234 {
		t.Errorf("SetMTU(1234) = %v, then MTU() = %d", err, h.Device.MTU())
	}
	if h.Device.Name() == "" {
		t.Error("Name() is empty")
	}
}

func testClose(t *testing.T, h Harness) {
	ended := make(chan error)
	go func() {
		b := packet.NewBatch(4, 2048)
		for {
			if _, err := h.Device.ReadBatch(b); err != nil {
				ended <- err
				return
			}
		}
	}()
	time.Sleep(10 * time.Millisecond) // the reader of a real device is beyond synctest
	for range 2 {
		if err := h.Device.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("blocked ReadBatch ended with %v, want net.ErrClosed", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close does not end a blocked ReadBatch")
	}
	b := packet.NewBatch(1, 2048)
	b[0].Set(Datagram(Peer, Kernel, payload(0)))
	if _, err := h.Device.WriteBatch(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteBatch after Close: %v, want net.ErrClosed", err)
	}
}
