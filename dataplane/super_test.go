package dataplane

import (
	"bytes"
	"testing"

	"warren/nest"
	"warren/packet"
)

// superPacket is a UDP super-packet of count segments, and what it stands for.
func superPacket(t *testing.T, p *pair, count, segment int) (b []byte, want [][]byte) {
	t.Helper()
	from, to := p.ends(false)
	front := 28
	if from.Is6() {
		front = 48
	}
	b = datagram(from, to, front+count*segment-segment/2, 1)
	for i := range b[front:] {
		b[front+i] = byte(i / segment)
	}
	super := packet.New(len(b))
	super.Set(b)
	super.Segment = int32(segment)
	var s packet.Splitter
	if !s.Start(super) {
		t.Fatal("no super-packet")
	}
	for q := packet.New(packet.MaxPacket); s.Next(q); q.Reset(packet.Headroom) {
		want = append(want, bytes.Clone(q.Bytes()))
	}
	return b, want
}

// TestSuper sends super-packets with more segments than a batch has packets
// through every nest.
func TestSuper(t *testing.T) {
	for _, name := range depths {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nests[name]...)
			p.start()
			for range 2 {
				b, want := superPacket(t, p, 75, 500)
				p.a.dev.InjectSuper(b, 500)
				for i, w := range want {
					got := p.b.written()
					normalize(got)
					normalize(w)
					if !bytes.Equal(got, w) {
						t.Fatalf("packet %d is\n% x, want\n% x", i, got[:60], w[:60])
					}
				}
			}
			c := p.a.settled(func(c Counters) bool { return c.ToNetwork == 150 })
			if c.FromTUN != 150 {
				t.Errorf("%d packets from the tun, want 150", c.FromTUN)
			}
		})
	}
}

// normalize clears what transport mode makes anew.
func normalize(ip []byte) {
	if ip[0]>>4 == 4 {
		clear(ip[4:12])
		return
	}
	ip[7] = 0
}

// TestSuperRefused sends super-packets where packets do not go through.
func TestSuperRefused(t *testing.T) {
	tests := map[string]struct {
		segment int
		change  func(*fakeView)
		done    func(Counters) bool
	}{
		"held":        {500, func(v *fakeView) { v.decision = nest.Decision{Verdict: nest.Hold, Key: "k"} }, func(c Counters) bool { return c.Held == 75 }},
		"discarded":   {500, func(v *fakeView) { v.decision = nest.Decision{Verdict: nest.Discard} }, func(c Counters) bool { return c.Out[packet.Discard] == 75 }},
		"unreachable": {500, func(v *fakeView) { v.decision = nest.Decision{Verdict: nest.Unreachable} }, func(c Counters) bool { return c.Answers == 64+11 || c.Answers == 64 }},
		"too big":     {1450, func(*fakeView) {}, func(c Counters) bool { return c.Out[packet.TooBig] == 19 && c.ToNetwork == 1 }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nests["udp tunnel"]...)
			tt.change(p.a.view)
			p.a.dp.Publish(p.a.view)
			p.start()
			count := 75
			if name == "too big" {
				count = 20
			}
			b, _ := superPacket(t, p, count, tt.segment)
			p.a.dev.InjectSuper(b, tt.segment)
			if c := p.a.settled(tt.done); c.FromTUN != uint64(count) {
				t.Errorf("%d packets from the tun, want %d", c.FromTUN, count)
			}
		})
	}
}

// TestSuperFragments cuts a super-packet into more fragments than there are spare
// packets.
func TestSuperFragments(t *testing.T) {
	p := newPair(t, nests["udp tunnel"]...)
	p.a.bundle.MTU = 600
	p.start()
	b, want := superPacket(t, p, 40, 1450)
	b[6] = 0 // no DF
	p.a.dev.InjectSuper(b, 1450)
	for i, w := range want {
		var got []byte
		for more := true; more; {
			f := p.b.written()
			got = append(got, f[20:]...)
			more = f[6]&0x20 != 0
		}
		if !bytes.Equal(got, w[20:]) {
			t.Fatalf("packet %d has %d bytes of payload, want %d equal ones", i, len(got), len(w)-20)
		}
	}
}

func TestSuperAllocs(t *testing.T) {
	x := newBench(t, "three, families mixed", 1000)
	b, _ := superPacket(t, x.pair, 40, 1000)
	p := packet.New(len(b))
	if n := testing.AllocsPerRun(20, func() {
		p.Set(b)
		p.Segment = 1000
		_ = x.a.dp.egress[0].batch(packet.Batch{p})
	}); n != 0 {
		t.Errorf("a super-packet allocates %v times, want 0", n)
	}
}
