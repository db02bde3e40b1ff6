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
	EmitRun func(payload []byte, segment int)  // the same in datagrams of that size, at once
	Collect func() (payload []byte, err error) // what the kernel got at Kernel
}

// Contract tests what every tun.Device promises.
func Contract(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("read keeps order and headroom", func(t *testing.T) { testRead(t, open(t)) })
	t.Run("write skips what was refused", func(t *testing.T) { testWrite(t, open(t)) })
	t.Run("write of more than a table holds", func(t *testing.T) { testWriteMany(t, open(t)) })
	t.Run("a run is written in order", func(t *testing.T) { testWriteRun(t, open(t)) })
	t.Run("a run is read in order", func(t *testing.T) { testReadRun(t, open(t)) })
	t.Run("try does not block", func(t *testing.T) { testTry(t, open(t)) })
	t.Run("answers come by the queue of their flow", func(t *testing.T) { testSteer(t, open(t)) })
	t.Run("mtu", func(t *testing.T) { testMTU(t, open(t)) })
	t.Run("close", func(t *testing.T) { testClose(t, open(t)) })
}

func payload(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100+i) }

// reading returns the payloads that Peer gets, one by one, from whichever queue.
func reading(t *testing.T, h Harness) (next func() []byte) {
	c := make(chan []byte, 1024)
	for _, q := range h.Device.Queues() {
		go func() {
			b := packet.NewBatch(8, 0)
			for {
				n, err := q.ReadBatch(b)
				if err != nil {
					return
				}
				if n < 1 {
					t.Error("ReadBatch returns neither packets nor an error")
				}
				for _, p := range b[:n] {
					datagrams(t, p, c)
				}
			}
		}()
	}
	return func() []byte {
		t.Helper()
		select {
		case got := <-c:
			return got
		case <-time.After(5 * time.Second):
			t.Fatal("nothing was read")
			return nil
		}
	}
}

// datagrams sends the payloads in p, which may be a super-packet, to c.
func datagrams(t *testing.T, p *packet.Packet, c chan<- []byte) {
	if p.Drop != packet.Live || p.Headroom() < packet.Headroom || p.Tailroom() < packet.Tailroom {
		t.Errorf("packet is %v with room of %d and %d bytes", p.Drop, p.Headroom(), p.Tailroom())
	}
	if p.Segment == 0 {
		datagram(t, p.Bytes(), c)
		return
	}
	var s packet.Splitter
	if !s.Start(p) {
		t.Errorf("no super-packet of segments of %d bytes: % x", p.Segment, p.Bytes())
		return
	}
	for q := packet.New(packet.MaxPacket); s.Next(q); q.Reset(packet.Headroom) {
		datagram(t, q.Bytes(), c)
	}
}

func datagram(t *testing.T, b []byte, c chan<- []byte) {
	f, info, d := packet.ParseFlow(b)
	if d != packet.Live {
		t.Errorf("packet does not parse: %v", d)
		return
	}
	if f.Dst != Peer.Addr() || f.Proto != packet.ProtoUDP || f.DstPort != Peer.Port() {
		return // a kernel says more than it is asked to
	}
	want := bytes.Clone(b)
	packet.SetUDPChecksum(want)
	if !bytes.Equal(b, want) {
		t.Errorf("datagram with a wrong checksum: % x", b)
	}
	c <- bytes.Clone(b[info.HeaderLen+packet.UDPHeaderLen:])
}

func testRead(t *testing.T, h Harness) {
	const count = 20
	next := reading(t, h)
	for i := range count {
		h.Emit(payload(i))
	}
	for i := range count {
		if got := next(); !bytes.Equal(got, payload(i)) {
			t.Fatalf("packet %d has payload of %d bytes, want %d", i, len(got), len(payload(i)))
		}
	}
}

// run is count payloads of n bytes, the last one shorter.
func run(count, n int) (list [][]byte) {
	for i := range count {
		list = append(list, bytes.Repeat([]byte{byte(i)}, n))
	}
	list[count-1] = list[count-1][:n/2]
	return list
}

func testReadRun(t *testing.T, h Harness) {
	next := reading(t, h)
	for range 3 {
		list := run(40, 700)
		h.EmitRun(bytes.Join(list, nil), 700)
		for i, want := range list {
			if got := next(); !bytes.Equal(got, want) {
				t.Fatalf("packet %d has %d bytes %.4x, want %d bytes %.4x", i, len(got), got, len(want), want)
			}
		}
	}
}

func testWriteRun(t *testing.T, h Harness) {
	list := run(100, 500)
	b := packet.NewBatch(len(list), 2048)
	for i, p := range b {
		p.Set(Datagram(Peer, Kernel, list[i]))
	}
	if n, err := h.Device.WriteBatch(b); n != len(b) || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want %d", n, err, len(b))
	}
	collect(t, h, list...)
}

// try returns what is there, of all queues.
func try(t *testing.T, h Harness) (total int) {
	b := packet.NewBatch(4, 0)
	for _, q := range h.Device.Queues() {
		n, err := q.TryBatch(b)
		if err != nil {
			t.Fatalf("TryBatch: %v", err)
		}
		total += n
	}
	return total
}

func testTry(t *testing.T, h Harness) {
	b := packet.NewBatch(4, 0)
	for try(t, h) > 0 { // what a kernel says by itself comes first
	}
	if h.Device.FD() < 0 {
		return // there is no other way than to block
	}
	h.Emit(payload(1))
	if try(t, h) == 0 {
		t.Error("TryBatch = 0, want the packet")
	}
	if err := h.Device.Close(); err != nil {
		t.Error(err)
	}
	if n, err := h.Device.TryBatch(b); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("TryBatch after Close = %d, %v, want net.ErrClosed", n, err)
	}
	if fd := h.Device.FD(); fd >= 0 {
		t.Errorf("FD after Close = %d, want -1", fd)
	}
}

// testSteer writes by one queue after the other and reads the answers by the same.
func testSteer(t *testing.T, h Harness) {
	queues := h.Device.Queues()
	if len(queues) == 1 {
		return
	}
	b := packet.NewBatch(8, 2048)
	for i, q := range append(queues, queues...) {
		b[0].Set(Datagram(Peer, Kernel, payload(i)))
		if n, err := q.WriteBatch(b[:1]); n != 1 || err != nil {
			t.Fatalf("queue %d: WriteBatch = %d, %v", i, n, err)
		}
		collect(t, h, payload(i))
		for try(t, h) > 0 { // what a kernel says by itself
		}
		h.Emit(payload(i))
		if n, err := q.TryBatch(b); n == 0 || err != nil {
			t.Errorf("queue %d: TryBatch = %d, %v, want the answer", i, n, err)
		}
		for try(t, h) > 0 {
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
