package memnet

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"warren/packet"
	"warren/underlay"
)

// A Harness is two nodes that reach each other.
type Harness struct {
	A, B         underlay.Underlay
	AddrA, AddrB netip.Addr
}

// Contract tests what every underlay promises.
func Contract(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("kinds, addresses and tos", func(t *testing.T) { testKinds(t, open(t)) })
	t.Run("runs and sizes", func(t *testing.T) { testRuns(t, open(t)) })
	t.Run("every queue sends", func(t *testing.T) { testQueues(t, open(t)) })
	t.Run("a peer stays with a queue", func(t *testing.T) { testPeer(t, open(t)) })
	t.Run("room for a header", func(t *testing.T) { testRoom(t, open(t)) })
	t.Run("answer to where it came from", func(t *testing.T) { testAnswer(t, open(t)) })
	t.Run("keepalive and runt", func(t *testing.T) { testDemux(t, open(t)) })
	t.Run("too big, refused, skipped", func(t *testing.T) { testRefused(t, open(t)) })
	t.Run("close", func(t *testing.T) { testClose(t, open(t)) })
}

// got is a received packet: a copy, without buffer.
type got struct {
	kind          packet.Kind
	drop          packet.Drop
	local, remote netip.AddrPort
	tos           uint8
	data          []byte
	room          int // headroom
}

// receive reads all sockets of u into one channel until u is closed.
func receive(t *testing.T, u underlay.Underlay) <-chan got {
	c := make(chan got, 1024)
	for _, r := range readers(u) {
		go pass(r, c)
	}
	t.Cleanup(func() { _ = u.Close() })
	return c
}

// readers returns those of all queues.
func readers(u underlay.Underlay) (all []underlay.Reader) {
	for _, q := range u.Queues() {
		all = append(all, q.Readers()...)
	}
	return all
}

func next(t *testing.T, c <-chan got) got {
	t.Helper()
	select {
	case g := <-c:
		return g
	case <-time.After(5 * time.Second):
		t.Fatal("nothing received")
		return got{}
	}
}

// ports returns the port at which a node of u sends and receives kind.
func port(u underlay.Underlay, kind packet.Kind, natt bool) uint16 {
	switch {
	case kind == packet.KindESP:
		return 0
	case kind == packet.KindESPinUDP || natt:
		return u.Info().NATT
	}
	return u.Info().IKE
}

// message makes a packet from A to B.
func (h Harness) message(kind packet.Kind, natt bool, data []byte) *packet.Packet {
	p := packet.New(max(len(data), 2048))
	p.Set(data)
	p.Kind = kind
	p.Ends = &packet.Ends{
		Local:  netip.AddrPortFrom(h.AddrA, port(h.A, kind, natt)),
		Remote: netip.AddrPortFrom(h.AddrB, port(h.B, kind, natt)),
	}
	return p
}

func testKinds(t *testing.T, h Harness) {
	c := receive(t, h.B)
	defer h.A.Close()
	for _, kind := range []packet.Kind{packet.KindESP, packet.KindESPinUDP, packet.KindIKE} {
		for _, natt := range []bool{false, true} {
			data := []byte{1, 2, 3, 4, 5, 6, 7, 8, byte(kind)}
			p := h.message(kind, natt, data)
			p.TOS = 0x2a
			want := got{kind, packet.Live, p.Remote(), p.Local(), p.TOS, data, 0}
			if kind == packet.KindESP && natt { // a port means nothing to it
				p.Ends.Remote = netip.AddrPortFrom(p.Remote().Addr(), 500)
			}
			if n, err := h.A.WriteBatch(packet.Batch{p}); n != 1 || err != nil {
				t.Fatalf("%v: WriteBatch = %d, %v, drop %v", kind, n, err, p.Drop)
			}
			g := next(t, c)
			if !bytes.Equal(g.data, want.data) || g.kind != want.kind || g.drop != want.drop ||
				g.local != want.local || g.remote != want.remote || g.tos != want.tos {
				t.Errorf("%v natt %v: got %v, want %v", kind, natt, g, want)
			}
		}
	}
}

// testRuns sends what may be sent in runs, and what breaks them: size, and kind.
func testRuns(t *testing.T, h Harness) {
	c := receive(t, h.B)
	defer h.A.Close()
	var b packet.Batch
	var want [][]byte
	for i, size := range []int{500, 500, 500, 300, 500, 700, 700, 1, 2, 1200, 1200} {
		data := bytes.Repeat([]byte{byte(i + 1)}, size+8)
		b = append(b, h.message(packet.KindESPinUDP, true, data))
		want = append(want, data)
	}
	mem := make([]byte, 150*1000) // one behind the other, without any room
	for i := range 150 {
		data := mem[i*1000 : (i+1)*1000 : (i+1)*1000]
		copy(data, bytes.Repeat([]byte{9, byte(i)}, 500))
		p := h.message(packet.KindESPinUDP, true, nil)
		kind, ends := p.Kind, p.Ends
		p.Lend(data, 0, len(data))
		p.Kind, p.Ends = kind, ends
		b = append(b, p)
		want = append(want, data)
	}
	if n, err := h.A.WriteBatch(b); n != len(b) || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want %d", n, err, len(b))
	}
	for i, w := range want {
		if g := next(t, c); !bytes.Equal(g.data, w) {
			t.Fatalf("datagram %d has %d bytes, want %d", i, len(g.data), len(w))
		}
	}
}

// testQueues sends all kinds by all queues.
func testQueues(t *testing.T, h Harness) {
	c := receive(t, h.B)
	defer h.A.Close()
	for i, q := range h.A.Queues() {
		for _, kind := range []packet.Kind{packet.KindESP, packet.KindESPinUDP, packet.KindIKE} {
			p := h.message(kind, false, []byte{1, 2, 3, 4, 5, 6, 7, 8, byte(i)})
			from := p.Local()
			if n, err := q.WriteBatch(packet.Batch{p}); n != 1 || err != nil {
				t.Fatalf("queue %d, %v: WriteBatch = %d, %v, drop %v", i, kind, n, err, p.Drop)
			}
			if g := next(t, c); g.kind != kind || g.remote != from || g.data[8] != byte(i) {
				t.Errorf("queue %d, %v: got %v", i, kind, g)
			}
		}
	}
}

// testPeer sends ESP and IKE from one port by all queues: one queue of the other
// side gets it, in order, and answers by whichever.
func testPeer(t *testing.T, h Harness) {
	defer h.A.Close()
	back := receive(t, h.A)
	var all []chan got
	for _, q := range h.B.Queues() {
		all = append(all, make(chan got, 1024))
		for _, r := range q.Readers() {
			go pass(r, all[len(all)-1])
		}
	}
	defer h.B.Close()
	const count = 60
	for i := range count {
		p := h.message([]packet.Kind{packet.KindESPinUDP, packet.KindIKE}[i%2], true, []byte{1, 2, 3, 4, 5, 6, 7, byte(i)})
		if n, err := nth(h.A.Queues(), i).WriteBatch(packet.Batch{p}); n != 1 || err != nil {
			t.Fatalf("WriteBatch = %d, %v, drop %v", n, err, p.Drop)
		}
	}
	c := first(t, all)
	for i := range count {
		g := next(t, c)
		if int(g.data[7]) != i {
			t.Fatalf("datagram %d is the %dth", i, g.data[7])
		}
		p := packet.New(2048)
		p.Set(g.data)
		p.Kind, p.Ends = g.kind, &packet.Ends{Local: g.local, Remote: g.remote}
		if n, err := nth(h.B.Queues(), i).WriteBatch(packet.Batch{p}); n != 1 || err != nil {
			t.Fatalf("answer: WriteBatch = %d, %v, drop %v", n, err, p.Drop)
		}
		if a := next(t, back); a.remote != g.local || a.local != g.remote {
			t.Errorf("answer is %v, want the addresses of %v reversed", a, g)
		}
	}
}

func nth[T any](list []T, i int) T { return list[i%len(list)] }

// pass copies what r receives to c until it is closed.
func pass(r underlay.Reader, c chan<- got) {
	b := packet.NewBatch(7, 0)
	for {
		n, err := r.ReadBatch(b)
		if err != nil {
			return
		}
		for _, p := range b[:n] {
			c <- got{p.Kind, p.Drop, p.Local(), p.Remote(), p.TOS, bytes.Clone(p.Bytes()), p.Headroom()}
			clear(p.Buffer()) // whose it is now
		}
	}
}

// first returns the channel that gets something.
func first(t *testing.T, all []chan got) chan got {
	t.Helper()
	for range 500 {
		for _, c := range all {
			if len(c) > 0 {
				return c
			}
		}
		time.Sleep(10 * time.Millisecond) // real sockets are beyond synctest
	}
	t.Fatal("nothing received")
	return nil
}

// testRoom looks for the room that a transport mode header needs. That using it
// spoils nothing is receive's to see.
func testRoom(t *testing.T, h Harness) {
	c := receive(t, h.B)
	defer h.A.Close()
	var b packet.Batch
	for i := range 20 {
		b = append(b, h.message(packet.KindESPinUDP, true, bytes.Repeat([]byte{byte(i + 1)}, 100)))
	}
	if n, err := h.A.WriteBatch(b); n != len(b) || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	for i := range b {
		g := next(t, c)
		const espAndIV = 16
		if want := packet.IPv6HeaderLen - espAndIV; h.AddrA.Is6() && g.room < want {
			t.Errorf("headroom of %d bytes, want %d", g.room, want)
		}
		if !bytes.Equal(g.data, bytes.Repeat([]byte{byte(i + 1)}, 100)) {
			t.Fatalf("datagram %d is % x", i, g.data)
		}
	}
}

func testAnswer(t *testing.T, h Harness) {
	toB, toA := receive(t, h.B), receive(t, h.A)
	p := h.message(packet.KindIKE, true, []byte("question"))
	p.Ends.Local = netip.AddrPortFrom(netip.Addr{}, p.Local().Port()) // the kernel chooses
	if n, err := h.A.WriteBatch(packet.Batch{p}); n != 1 || err != nil {
		t.Fatalf("WriteBatch = %d, %v, drop %v", n, err, p.Drop)
	}
	q := next(t, toB)
	p.Set([]byte("answer"))
	p.Kind, p.Ends = q.kind, &packet.Ends{Local: q.local, Remote: q.remote}
	if n, err := h.B.WriteBatch(packet.Batch{p}); n != 1 || err != nil {
		t.Fatalf("answer: WriteBatch = %d, %v, drop %v", n, err, p.Drop)
	}
	if g := next(t, toA); string(g.data) != "answer" || g.local != q.remote || g.remote != q.local {
		t.Errorf("answer is %v, want the addresses of %v reversed", g, q)
	}
}

func testDemux(t *testing.T, h Harness) {
	c := receive(t, h.B)
	defer h.A.Close()
	for _, tt := range []struct {
		data []byte
		want packet.Drop
	}{{[]byte{0xff}, packet.Keepalive}, {[]byte{1, 2, 3}, packet.Runt}, {[]byte{1, 2, 3, 4}, packet.Live}} {
		if n, err := h.A.WriteBatch(packet.Batch{h.message(packet.KindESPinUDP, true, tt.data)}); n != 1 || err != nil {
			t.Fatalf("WriteBatch = %d, %v", n, err)
		}
		if g := next(t, c); g.drop != tt.want {
			t.Errorf("% x: drop %v, want %v", tt.data, g.drop, tt.want)
		}
	}
}

func testRefused(t *testing.T, h Harness) {
	c := receive(t, h.B)
	defer h.A.Close()
	big := h.message(packet.KindESPinUDP, true, make([]byte, packet.MaxPacket))
	skipped := h.message(packet.KindESPinUDP, true, []byte("skipped"))
	skipped.Drop = packet.Replay
	foreign := h.message(packet.KindESPinUDP, true, []byte("no destination"))
	foreign.Ends.Remote = netip.AddrPort{}
	good := h.message(packet.KindESPinUDP, true, []byte("good one"))
	if n, err := h.A.WriteBatch(packet.Batch{big, skipped, foreign, good}); n != 1 || err != nil {
		t.Fatalf("WriteBatch = %d, %v, want 1", n, err)
	}
	for _, tt := range []struct {
		p    *packet.Packet
		want packet.Drop
	}{{big, packet.TooBig}, {skipped, packet.Replay}, {foreign, packet.SendError}, {good, packet.Live}} {
		if tt.p.Drop != tt.want {
			t.Errorf("%d bytes: drop %v, want %v", tt.p.Len(), tt.p.Drop, tt.want)
		}
	}
	if g := next(t, c); string(g.data) != "good one" {
		t.Errorf("received %q", g.data)
	}
	if mtu, err := h.A.PathMTU(h.AddrA, h.AddrB); mtu < 576 || err != nil {
		t.Errorf("PathMTU = %d, %v", mtu, err)
	}
}

func testClose(t *testing.T, h Harness) {
	defer h.B.Close()
	ended := make(chan error)
	for _, r := range readers(h.A) {
		go func() {
			_, err := r.ReadBatch(packet.NewBatch(1, 100))
			ended <- err
		}()
	}
	time.Sleep(10 * time.Millisecond) // the reader of a real socket is beyond synctest
	for range 2 {
		if err := h.A.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	for range readers(h.A) {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("blocked ReadBatch ended with %v, want net.ErrClosed", err)
		}
	}
	for _, r := range readers(h.A) {
		if n, err := r.TryBatch(packet.NewBatch(1, 0)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("TryBatch after Close = %d, %v, want net.ErrClosed", n, err)
		}
	}
	if _, err := h.A.WriteBatch(packet.Batch{h.message(packet.KindESP, false, []byte("late"))}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteBatch after Close: %v, want net.ErrClosed", err)
	}
}
