package ike

import (
	"testing"
	"time"

	"warren/sa"
)

// slow lets d pass on a wire that takes latency for each message, and calls each
// whenever something has happened.
func (p *pair) slow(d, latency time.Duration, each func()) {
	p.t.Helper()
	type late struct {
		f  flight
		at time.Time
	}
	var way []late
	until := p.now.Add(d)
	for {
		p.flush()
		for _, f := range p.wire {
			way = append(way, late{f, p.now.Add(latency)})
		}
		p.wire = nil
		each()
		at := earliest(p.i.e.Next(), p.r.e.Next())
		if len(way) > 0 {
			at = earliest(at, way[0].at)
		}
		if at.IsZero() || at.After(until) {
			p.now = until
			return
		}
		if at.After(p.now) {
			p.now = at
		}
		for len(way) > 0 && !way[0].at.After(p.now) {
			f := way[0].f
			way = way[1:]
			p.hand(f)
		}
		p.i.e.Tick(p.now)
		p.r.e.Tick(p.now)
	}
}

// chainOf brings up sessions inside one another: layer 7 on the network, layer 8
// in it, and so on.
func (p *pair) chainOf(n int, c PeerConfig) {
	p.t.Helper()
	for k := range n {
		c.Layer, c.Via = sa.Layer(7+k), sa.Network
		if k > 0 {
			c.Via = sa.Layer(6 + k)
		}
		c.NoInitialContact = true
		p.establish(c)
	}
}

// TestChainRekeysOneByOne: while a layer replaces a child or its IKE SA, no other
// layer of its chain begins to, whichever end would have.
func TestChainRekeysOneByOne(t *testing.T) {
	rekey := Rekey{IKE: 20 * time.Second, Child: sa.Lifetime{SoftTime: 5 * time.Second, HardTime: 6250 * time.Millisecond}}
	a, c := acceptConfig(t), peerConfig(t)
	a.Rekey, c.Rekey = rekey, rekey
	p := newPair(t, a)
	p.chainOf(4, c)
	p.watch = new(flow)
	busiest := 0
	p.slow(30*time.Minute, 10*time.Millisecond, func() {
		n := 0
		for _, s := range p.i.e.order {
			if s.replaces() {
				n++
			}
		}
		busiest = max(busiest, n)
	})
	p.watch = nil
	if busiest != 1 {
		t.Errorf("%d layers rekeyed at the same time, want 1", busiest)
	}
	for _, n := range []*end{p.i, p.r} {
		if n.downs() != 0 || len(n.out) != 4 || count[SessionDown](n) != 0 {
			t.Errorf("%s: %d times down, %d in use; %s", n.name, n.downs(), len(n.out), dump(n.events[len(n.events)-20:]))
		}
	}
	for _, s := range p.i.e.Sessions() {
		if s.Rekeys < 30*60/20 || len(s.Children) == 0 || s.Children[0].Rekeys < 30*60/5 {
			t.Errorf("layer %d: %d IKE rekeys, child %+v", s.Children[0].Layer, s.Rekeys, s.Children)
		}
	}
	if n := p.asked(p.r, isCreate); n != 0 {
		t.Errorf("%d rekeys by the responder, which is to come second", n)
	}
}

// TestBranchesRekeyAtOnce: layers of different chains do not wait for each other,
// and neither does a layer whose SA would end meanwhile.
func TestBranchesRekeyAtOnce(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	c := peerConfig(t)
	c.NoInitialContact = true
	c.Rekey.Child = sa.Lifetime{SoftTime: time.Hour, HardTime: time.Hour + 20*time.Minute}
	p.chainOf(2, c)
	c.Layer, c.Via = 20, 7
	p.establish(c)
	all := p.i.e.order
	rekey := func(s *session) {
		if err := p.i.e.RekeyChild(s.id, s.children[0].spiIn, p.now); err != nil {
			t.Fatal(err)
		}
	}
	rekey(all[1])
	rekey(all[2])
	if !all[1].replaces() || !all[2].replaces() {
		t.Error("two branches wait for each other")
	}
	rekey(all[0])
	if all[0].replaces() {
		t.Error("their trunk does not wait")
	}
	p.now = p.now.Add(time.Hour + 11*time.Minute)
	rekey(all[0])
	if !all[0].replaces() {
		t.Error("the trunk waits although its end is near")
	}
}

// TestLimitsSpread: soft limits of bytes and packets come earlier by the jitter,
// the opener's before the other's.
func TestLimitsSpread(t *testing.T) {
	a, c := acceptConfig(t), peerConfig(t)
	a.Rekey.Child = sa.Lifetime{SoftBytes: 1e9, HardBytes: 2e9, SoftPackets: 1e6, HardPackets: 2e6}
	c.Rekey = a.Rekey
	p := newPair(t, a)
	p.establish(c)
	for range 50 {
		p.rekeyChild(p.i)
		p.advance(10 * time.Second)
		i, r := p.i.in[p.i.only().SPIIn].Lifetime, p.r.in[p.r.only().SPIIn].Lifetime
		if i.SoftBytes < 9e8 || i.SoftBytes > 95e7 || r.SoftBytes < 975e6 || r.SoftBytes > 1e9 ||
			i.SoftPackets < 9e5 || i.SoftPackets > 95e4 || r.SoftPackets < 975e3 || r.SoftPackets > 1e6 || i.HardBytes != 2e9 || r.HardPackets != 2e6 {
			t.Fatalf("%+v and %+v", i, r)
		}
	}
}

// TestLateAtTheEnd: a pair that is replaced just before its end takes late
// packets as long as any other: what its SAs are told is not shorter.
func TestLateAtTheEnd(t *testing.T) {
	c := peerConfig(t)
	c.Rekey.Child = sa.Lifetime{SoftTime: time.Minute, HardTime: 70 * time.Second}
	p := newPair(t, acceptConfig(t))
	p.establish(c)
	for range 2 {
		if got := p.i.in[p.i.only().SPIIn].Lifetime.HardTime; got != 75*time.Second {
			t.Errorf("hard time %v, want 5s more than 70s", got)
		}
		if got := p.r.in[p.r.only().SPIIn].Lifetime.HardTime; got != 0 {
			t.Errorf("hard time %v, where there is none", got)
		}
		p.rekeyChild(p.i)
		p.settle()
	}
}
