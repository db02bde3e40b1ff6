package dataplane

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/tun"
	"warren/underlay"
)

const (
	streamSegments = 44 // of a super-packet, as they come from TCP
	streamSegment  = 1200
)

// A stream is a TCP flow in process: super-packets into the egress of one side,
// what comes out into the ingress of the other, which makes super-packets of it
// again.
type stream struct {
	*pair
	egress  *egress
	ingress *ingress
	super   *packet.Packet
	data    []byte
	sent    packet.Batch
	n       int
	back    packet.Ends // of what comes back
	runs    packet.Coalescer
	merged  int // super-packets that came out
}

// streamNet keeps what is sent; the copies are made between the measurements.
type streamNet struct {
	underlay.Queue
	*stream
}

func (s streamNet) WriteBatch(b packet.Batch) (int, error) {
	for _, p := range b {
		q := s.sent[s.n]
		q.Lend(p.Bytes(), 0, p.Len())
		s.back = packet.Ends{Local: p.Remote(), Remote: p.Local()} // the same for all
		q.Kind, q.Ends = p.Kind, &s.back
		s.n++
	}
	return len(b), nil
}

// streamTun makes super-packets and throws them away.
type streamTun struct {
	tun.Queue
	*stream
}

func (s streamTun) WriteBatch(b packet.Batch) (int, error) {
	runs := s.runs.Runs(b)
	for i := range runs {
		if len(runs[i].Packets) > 1 {
			runs[i].Merge()
			s.merged++
		}
	}
	return len(b), nil
}

func newStream(t testing.TB, layers int) *stream {
	specs := []layerSpec{{esp.Tunnel, packet.EncapUDP, false}}
	for len(specs) < layers {
		specs = append(specs, layerSpec{esp.Tunnel, packet.EncapUDP, false})
	}
	p := newWorkers(t, 1, specs...)
	s := &stream{pair: p, sent: packet.NewBatch(streamSegments, 0), super: packet.New(packet.MaxPacket)}
	for _, side := range []*side{p.a, p.b} {
		side.dp.opt.Limits.Batch = 128 // the default
	}
	s.egress, s.ingress = newEgress(p.a.dp, 0, 1024), newIngress(p.b.dp, 0)
	s.egress.net, s.ingress.tun = streamNet{nil, s}, streamTun{nil, s}
	p.a.bundle.MTU = 1500
	p.b.accepts()
	s.data = segments()
	return s
}

// segments is a TCP super-packet.
func segments() []byte {
	const front = packet.IPv4HeaderLen + 32
	b := make([]byte, front+streamSegments*streamSegment)
	packet.PutIP(b, packet.IPHeader{Src: addr(77, 1, false), Dst: addr(77, 2, false), Proto: packet.ProtoTCP, TTL: 64, DF: true, Len: len(b)})
	tcp := b[packet.IPv4HeaderLen:]
	binary.BigEndian.PutUint32(tcp, 1000<<16|2000)
	tcp[12], tcp[13] = 8<<4, 0x10
	return b
}

// out takes a super-packet to the socket, in back from there.
func (s *stream) out() time.Duration {
	s.super.Set(s.data)
	s.super.Segment = streamSegment
	s.n = 0
	return timed(func() { _ = s.egress.batch(packet.Batch{s.super}) })
}

func (s *stream) in(received []byte) time.Duration {
	for _, p := range s.sent[:s.n] {
		n := copy(received, p.Bytes())
		kind, ends := p.Kind, p.Ends
		p.Lend(received[:n:n], 0, n)
		p.Kind, p.Ends = kind, ends
		received = received[n:]
	}
	return timed(func() {
		for b := s.sent[:s.n]; len(b) > 0; {
			n := min(len(b), 64)
			_ = s.ingress.batch(b[:n])
			b = b[n:]
		}
	})
}

// BenchmarkStream is a TCP stream in process, ns per packet on the wire: out from
// the super-packet to what the socket takes, in from what it gives to a
// super-packet, and as multiples of the cipher alone as BenchmarkPath has them.
func BenchmarkStream(b *testing.B) {
	for layers := 1; layers <= 4; layers++ {
		b.Run(fmt.Sprint(layers), func(b *testing.B) {
			s, cipher, room := newStream(b, layers), newBare(b, streamSegment+52), make([]byte, 128<<10)
			var out, in, seal, open []time.Duration
			for b.Loop() {
				out, in = append(out, s.out()), append(in, s.in(room))
				x, y := cipher.times()
				seal, open = append(seal, x), append(open, y)
			}
			if s.merged < b.N {
				b.Fatalf("%d super-packets of %d came out", s.merged, b.N)
			}
			const per = float64(batchLen) / streamSegments
			report(b, "out", median(out)*per, median(seal))
			report(b, "in", median(in)*per, median(open))
			b.ReportMetric(0, "ns/op")
		})
	}
}
