package dataplane

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"warren/nest"
	"warren/packet"
)

func heldCopy(size int, id byte) *packet.Packet {
	p := packet.New(size)
	p.Set(bytes.Repeat([]byte{id}, size))
	return p
}

func TestHoldQueueBounds(t *testing.T) {
	var drops [packet.NumDrops]uint64
	q := newHoldQueue(Limits{QueuePackets: 3, QueueBytes: 1000, QueueChains: 1, QueueTTL: time.Second})
	now := time.Unix(0, 0)
	for i := range 4 {
		q.add("web", heldCopy(100, byte(i)), now) // the fourth pushes out the first
	}
	q.add("web", heldCopy(850, 4), now)  // pushes out two more
	q.add("web", heldCopy(1001, 5), now) // never fits
	q.add("other", heldCopy(10, 6), now) // one chain too many
	if n := q.count(&drops); n != 2 || drops[packet.QueueFull] != 5 {
		t.Fatalf("%d held, %d dropped as queue-full, want 2 and 5", n, drops[packet.QueueFull])
	}
	list := q.take("web", now.Add(time.Second-1))
	if len(list) != 2 || list[0].data[0] != 3 || list[1].data[0] != 4 {
		t.Errorf("took %d packets, want 3 and 4 in order", len(list))
	}
	q.add("web", heldCopy(100, 7), now)
	q.add("web", heldCopy(100, 8), now.Add(1))
	q.expire(now.Add(time.Second))
	drops = [packet.NumDrops]uint64{}
	if n := q.count(&drops); n != 1 || drops[packet.QueueExpired] != 1 {
		t.Errorf("%d held, %d expired, want 1 and 1", n, drops[packet.QueueExpired])
	}
}

// TestHoldAndRelease holds packets, releases them in order, and refuses others.
func TestHoldAndRelease(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	a, b := p.ends(false)
	hold := &fakeView{decision: nest.Decision{Verdict: nest.Hold, Key: "web"}, layers: p.a.view.layers}
	p.a.dp.Publish(hold)
	p.start()
	for i := range 5 {
		p.a.dev.Inject(datagram(a, b, 100, byte(i)))
	}
	p.a.settled(func(c Counters) bool { return c.Held == 5 })
	<-p.a.h.done
	p.a.dp.Publish(p.a.view)
	p.a.dp.Release("web")
	for i := range 5 {
		if got := p.b.written(); !bytes.Equal(got, datagram(a, b, 100, byte(i))) {
			t.Fatalf("packet %d came out as % x", i, got)
		}
	}
	p.a.dp.Publish(hold)
	p.a.dev.Inject(datagram(a, b, 100, 9))
	p.a.settled(func(c Counters) bool { return c.Held == 1 })
	p.a.dp.Refuse("web")
	c := p.a.settled(func(c Counters) bool { return c.Held == 0 })
	if c.Out[packet.Unreachable] != 1 || c.Answers != 1 {
		t.Errorf("drops %v, %d answers", p.a.dp.Drops(), c.Answers)
	}
	if icmp := p.a.written(); icmp[20] != 3 || netip.AddrFrom4([4]byte(icmp[16:20])) != a {
		t.Errorf("answer is % x", icmp)
	}
}

// releaser has the chain up as soon as it is asked for.
type releaser struct {
	*recorder
	*side
	up *fakeView
}

func (r releaser) Need(_ packet.Flow, k nest.Key) {
	r.side.dp.Publish(r.up)
	r.side.dp.Release(k)
}

// TestReleasedAtOnce releases while the batch that asked for it is worked on:
// nothing of it may stay behind.
func TestReleasedAtOnce(t *testing.T) {
	p := newPair(t, nests["udp tunnel"]...)
	a, b := p.ends(false)
	up := p.a.view
	p.a.dp.Publish(&fakeView{decision: nest.Decision{Verdict: nest.Hold, Key: "web"}, layers: up.layers})
	p.a.dp.opt.Handler = releaser{p.a.h, p.a, up}
	batch := packet.NewBatch(3, 2048)
	for i, q := range batch {
		q.Set(datagram(a, b, 100, byte(i)))
	}
	if err := newEgress(p.a.dp, 0, ways).batch(batch); err != nil {
		t.Fatal(err)
	}
	if c := p.a.dp.Counters(); c.Held != 0 || c.ToNetwork != 3 {
		t.Errorf("%d held, %d sent, want 0 and 3", c.Held, c.ToNetwork)
	}
}

func TestHoldExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, nests["udp tunnel"]...)
		p.a.view.decision = nest.Decision{Verdict: nest.Hold, Key: "web"}
		p.start()
		a, b := p.ends(false)
		p.a.dev.Inject(datagram(a, b, 100, 1))
		synctest.Wait()
		if n := p.a.dp.Counters().Held; n != 1 {
			t.Fatalf("%d held, want 1", n)
		}
		time.Sleep(13 * time.Second)
		synctest.Wait()
		if c := p.a.dp.Counters(); c.Held != 0 || c.Out[packet.QueueExpired] != 1 || !c.Balanced() {
			t.Errorf("%d held, drops %v", c.Held, p.a.dp.Drops())
		}
		p.a.dev.Inject(datagram(a, b, 100, 2))
		synctest.Wait()
		if err := p.a.dp.Close(); err != nil {
			t.Error(err)
		}
		if c := p.a.dp.Counters(); c.Out[packet.Shutdown] != 1 || !c.Balanced() {
			t.Errorf("after Close: drops %v", p.a.dp.Drops())
		}
		if err := p.a.dp.SendIKE(nil, netip.AddrPort{}, p.a.bundle.Remote, false, []byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SendIKE after Close: %v", err)
		}
		_ = p.b.dp.Close()
	})
}

// TestIKE sends IKE on the network and inside layers, with and without marker.
func TestIKE(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	p.start()
	tunnel := *p.a.bundle
	for _, natt := range []bool{false, true} {
		port := uint16(500)
		if natt {
			port = 4500
		}
		for layer, via := range []*nest.Bundle{nil, outermost(&tunnel)} {
			local, remote := netip.AddrPortFrom(addr(layer+1, 1, false), port), netip.AddrPortFrom(addr(layer+1, 2, false), port)
			if err := p.a.dp.SendIKE(via, local, remote, natt, []byte("ike message")); err != nil {
				t.Fatal(err)
			}
			<-p.b.h.done
			got := p.b.h.ike[len(p.b.h.ike)-1]
			if int(got.Via) != layer || got.NATT != natt || got.Local != remote || got.Remote != local || string(got.Data) != "ike message" {
				t.Errorf("layer %d, natt %v: got %+v", layer, natt, got)
			}
		}
	}
	p.a.settled(func(c Counters) bool { return c.Control == 4 && c.ToNetwork == 4 })
	p.b.settled(func(c Counters) bool { return c.ToControl == 4 })
}

// outermost is the bundle of the first layer alone.
func outermost(b *nest.Bundle) *nest.Bundle {
	o := *b
	o.Layers = b.Layers[len(b.Layers)-1:]
	o.MTU = 1400
	return &o
}
