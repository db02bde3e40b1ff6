package ike

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"warren/esp"
	"warren/ike/message"
	"warren/sa"
)

// nestedPair is an initiator with depth sessions, each inside the one before it,
// all with the same responder. Layer 7 of the initiator is the outermost.
func nestedPair(t *testing.T, a AcceptConfig, depth int, opt ...func(i, r *Options)) (*pair, []SessionID) {
	t.Helper()
	p := newPair(t, a, opt...)
	p.vias = map[sa.Layer]sa.Layer{}
	var ids []SessionID
	for k := range depth {
		ids = append(ids, p.nest(k))
	}
	return p, ids
}

// nest opens session number k inside number k-1.
func (p *pair) nest(k int) SessionID {
	p.t.Helper()
	c := peerConfig(p.t)
	c.Layer = sa.Layer(7 + k)
	if k > 0 {
		up, _ := last[ChildUp](p.i)
		c.Via = c.Layer - 1
		c.Local = netip.AddrPortFrom(up.Child.Lease4, 500)
	}
	id, err := p.i.e.Initiate(c, p.now)
	if err != nil {
		p.t.Fatal(err)
	}
	p.settle()
	if up, ok := last[ChildUp](p.r); ok {
		p.vias[c.Layer] = up.Child.Layer
	}
	return id
}

// downs are the layers that went down, in order.
func (n *end) lost() []sa.Layer {
	var out []sa.Layer
	for _, ev := range n.events {
		if ev, ok := ev.(ChildRemoved); ok && ev.Down {
			out = append(out, ev.Layer)
		}
	}
	return out
}

// Sessions inside one another with the same responder, the same identities even:
// each comes through the one before it, and has an address of its own.
func TestNestedSessions(t *testing.T) {
	a := acceptConfig(t)
	p, _ := nestedPair(t, a, 3)
	p.agree()
	var vias, layers []sa.Layer
	for _, ev := range p.r.events {
		if up, ok := ev.(ChildUp); ok {
			vias, layers = append(vias, up.Child.Via), append(layers, up.Child.Layer)
		}
	}
	if want := []sa.Layer{sa.Network, 101, 102}; !slices.Equal(vias, want) || !slices.Equal(layers, []sa.Layer{101, 102, 103}) {
		t.Errorf("layers %v came through %v, want %v", layers, vias, want)
	}
	leases := a.Pool.Leases()
	if len(leases) != 3 || leases[0].Outside != 0 || leases[1].Outside != 1 || leases[2].Outside != 2 {
		t.Errorf("leases %v, want one for each layer", leases)
	}
	for k, s := range p.r.e.Sessions() {
		if p.rekeyOf(s.ID); s.Lease4 != leases[k].Addr {
			t.Errorf("session %d leases %v, want %v", k+1, s.Lease4, leases[k].Addr)
		}
	}
	if d := p.r.lost(); len(d) != 0 || len(p.r.e.Sessions()) != 3 {
		t.Errorf("rekeys took layers %v down", d)
	}

	p.i = newEnd(t, "the same, restarted", 60, Options{}) // INITIAL_CONTACT from the network
	p.r.quiet = true
	p.nest(0)
	if d := p.r.lost(); !slices.Equal(d, []sa.Layer{103, 102, 101}) || len(p.r.e.Sessions()) != 1 {
		t.Errorf("after a restart of the peer layers %v went down, want 103, 102 and 101: %s", d, dump(p.r.events))
	}
	if now := a.Pool.Leases(); len(now) != 1 || now[0] != leases[0] {
		t.Errorf("leases %v, want the first of %v", now, leases)
	}
	p.nest(1)
	if now := a.Pool.Leases(); len(now) != 2 || now[1] != leases[1] {
		t.Errorf("leases %v, want the first two of %v", now, leases)
	}
}

// rekeyOf rekeys the pair of a session of the responder's.
func (p *pair) rekeyOf(id SessionID) {
	p.t.Helper()
	for spi := range p.r.in {
		if err := p.r.e.RekeyChild(id, spi, p.now); err == nil {
			p.settle()
			return
		}
	}
	p.t.Fatalf("session %d has no pair", id)
}

// An INITIAL_CONTACT that comes through a session does not end it.
func TestInitialContactInside(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.vias = map[sa.Layer]sa.Layer{}
	p.nest(0)
	inner := newEnd(t, "inside", 61, Options{}) // knows of no other session
	outer := p.i
	inner.events = outer.events
	p.i = inner
	p.nest(1)
	if len(p.r.e.Sessions()) != 2 || count[SessionDown](p.r) != 0 {
		t.Errorf("%s", dump(p.r.events))
	}
}

// Whatever ends a session ends what came through it, innermost first.
func TestCutOff(t *testing.T) {
	tests := map[string]struct {
		end  func(p *pair, ids []SessionID)
		want []sa.Layer
	}{
		"the peer deletes the outermost": {func(p *pair, ids []SessionID) {
			noError(p, p.i.e.Delete(ids[0], p.now))
		}, []sa.Layer{103, 102, 101}},
		"the peer deletes the middle one": {func(p *pair, ids []SessionID) {
			noError(p, p.i.e.Delete(ids[1], p.now))
		}, []sa.Layer{103, 102}},
		"the responder deletes the middle child": {func(p *pair, _ []SessionID) {
			s := p.r.e.order[1]
			noError(p, p.r.e.DeleteChild(s.id, s.children[0].spiIn, p.now))
		}, []sa.Layer{103, 102}},
		"the outermost is aborted": {func(p *pair, _ []SessionID) {
			p.r.e.Abort(p.r.e.order[0].id)
			for spi, c := range p.r.in { // nobody is told
				if c.Layer == 101 {
					delete(p.r.in, spi)
					delete(p.r.out, c.Layer)
				}
			}
		}, []sa.Layer{103, 102}},
		"the peer is silent": {func(p *pair, _ []SessionID) {
			p.drop = func(flight) bool { return true }
			noError(p, p.r.e.Liveness(p.r.e.order[0].id, p.now))
			p.advance(time.Minute)
		}, []sa.Layer{103, 102, 101}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, ids := nestedPair(t, acceptConfig(t), 3)
			p.flush()
			before := len(p.tap)
			tt.end(p, ids)
			p.settle()
			if got := p.r.lost(); !slices.Equal(got, tt.want) {
				t.Errorf("layers %v went down, want %v: %s", got, tt.want, dump(p.r.events))
			}
			for _, f := range p.tap[before:] {
				if f.from == p.r && f.d.Path.Via == 102 {
					t.Errorf("%v was sent through a layer that is gone", f)
				}
			}
			p.advance(2 * time.Minute)
			if left := 3 - len(tt.want); name != "the outermost is aborted" && len(p.r.in) != left {
				t.Errorf("%d pairs are left, want %d", len(p.r.in), left)
			}
		})
	}
}

// What is half-open goes as well, without a word: nobody was told of it.
func TestCutOffHalfOpen(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.vias = map[sa.Layer]sa.Layer{}
	outer := p.nest(0)
	p.drop = func(f flight) bool { return f.kind() == message.IKEAuth }
	p.nest(1)
	if n := len(p.r.e.Sessions()); n != 2 || p.r.e.halfOpen != 1 {
		t.Fatalf("%d sessions, %d half-open, want 2 and 1", n, p.r.e.halfOpen)
	}
	noError(p, p.i.e.Delete(outer, p.now))
	p.settle()
	if n := len(p.r.e.Sessions()); n != 0 || p.r.e.halfOpen != 0 || count[SessionFailed](p.r) != 0 {
		t.Errorf("%d sessions, %d half-open: %s", n, p.r.e.halfOpen, dump(p.r.events))
	}
	p.advance(2 * time.Minute)
	p.r.empty()
}

func noError(p *pair, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// A tunnel deeper than the limit is refused; a transport association may be inside
// the deepest.
func TestNestingIsBounded(t *testing.T) {
	p, _ := nestedPair(t, acceptConfig(t), 3, func(_, r *Options) { r.MaxDepth = 2 })
	if f, ok := last[ChildFailed](p.r); !ok || count[ChildUp](p.r) != 2 ||
		f.Err.Error() != "ike: road: IKE_AUTH: NO_ADDITIONAL_SAS: it would be tunnel 3 in a row, the limit is 2" {
		t.Fatalf("%d layers are up: %s", count[ChildUp](p.r), dump(p.r.events))
	}
	p, _ = nestedPair(t, acceptConfig(t), 2, func(_, r *Options) { r.MaxDepth = 2 })
	c := peerConfig(t)
	c.Layer, c.Via, c.Mode, c.VirtualIP4 = 9, 8, esp.Transport, false
	c.Local = netip.MustParseAddrPort("10.99.1.3:500")
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if up, ok := last[ChildUp](p.r); !ok || up.Child.Mode != esp.Transport || up.Child.Via != 102 {
		t.Errorf("%s", dump(p.r.events))
	}
}

// One identity cannot pile up sessions by nesting them either, and what carries a
// new one is not what makes room for it.
func TestNestedSessionsPerIdentityBounded(t *testing.T) {
	p, _ := nestedPair(t, acceptConfig(t), 2)
	p.r.quiet = true
	for i := range 2 * maxTwins {
		c := peerConfig(t)
		c.Layer, c.Via, c.NoInitialContact = sa.Layer(200+i), 8, true
		if _, err := p.i.e.Initiate(c, p.now); err != nil {
			t.Fatal(err)
		}
		p.advance(5 * time.Second)
	}
	if n := len(p.r.e.Sessions()); n != maxTwins+2 || p.r.e.carrier(102) == nil || p.r.e.carrier(101) == nil {
		t.Errorf("%d sessions, want %d with the two that carry them", n, maxTwins+2)
	}
}

// restarted opens a session from another engine of the initiator, which knows of no
// other session and says so.
func (p *pair) restarted(name string, seed uint64, c PeerConfig) *end {
	p.t.Helper()
	old := p.i
	p.i = newEnd(p.t, name, seed, Options{})
	fresh := p.i
	must1(fresh.e.Initiate(c, p.now))
	p.settle()
	p.i = old
	return fresh
}

// TestInitialContactLate: an INITIAL_CONTACT that was under way for long says nothing
// of what the peer has opened since, through the same layer or another.
func TestInitialContactLate(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t)) // of the peer before it restarted
	stale := p.r.e.order[0].id
	p.now = p.now.Add(time.Second)
	p.i = newEnd(t, "restarted", 70, Options{})
	must1(p.i.e.Initiate(peerConfig(t), p.now))
	late := p.until(message.IKEAuth)

	p.now = p.now.Add(100 * time.Millisecond)
	c := peerConfig(t)
	c.Layer, c.Local = 8, netip.MustParseAddrPort("192.0.2.101:500")
	second := must1(p.i.e.Initiate(c, p.now))
	p.settle()
	if !p.i.up[second] || len(p.r.e.Sessions()) != 3 { // the late one is half-open
		t.Fatalf("%s", dump(p.r.events))
	}
	p.now = p.now.Add(100 * time.Millisecond)
	p.hand(late)
	p.r.quiet = true
	p.settle()
	var left []SessionID
	for _, s := range p.r.e.Sessions() {
		left = append(left, s.ID)
	}
	if len(left) != 2 || slices.Contains(left, stale) || len(p.i.up) != 2 {
		t.Errorf("sessions %v are left, %d was the stale one; %s", left, stale, dump(p.r.events))
	}
}

// TestInitialContactBothWays: it ends what this node had opened to the same peer as
// well, without a message, but not what the two ends open at the same time.
func TestInitialContactBothWays(t *testing.T) {
	back := func(t *testing.T) PeerConfig {
		c := peerConfig(t)
		c.Name, c.Local, c.Remote, c.LocalID, c.RemoteID = "alice", c.Remote, c.Local, c.RemoteID, c.LocalID
		c.VirtualIP4, c.Layer = false, 900
		return c
	}
	both := func(t *testing.T) *pair {
		own := acceptConfig(t)
		own.LocalID, own.IDs, own.Pool = mustID(t, "alice.example"), []string{"sg1.example"}, nil
		return newPair(t, acceptConfig(t), func(i, _ *Options) { i.Accept = []AcceptConfig{own} })
	}
	t.Run("after a restart", func(t *testing.T) {
		p := both(t)
		must1(p.r.e.Initiate(back(t), p.now))
		p.settle()
		if len(p.r.in) != 1 {
			t.Fatalf("%s", dump(p.r.events))
		}
		p.now = p.now.Add(time.Minute)
		p.tap = nil
		p.r.quiet = true
		p.restarted("restarted", 71, peerConfig(t))
		d, ok := last[SessionDown](p.r)
		if !ok || d.Name != "alice" || !d.ByPeer || len(p.r.e.Sessions()) != 1 || p.r.theSession().Initiator {
			t.Errorf("%s", dump(p.r.events))
		}
		for _, f := range p.tap {
			if f.kind() == message.Informational {
				t.Errorf("%#v is sent to nobody", f)
			}
		}
	})
	t.Run("at the same time", func(t *testing.T) {
		for n := range 6 { // their messages cross at each step
			p := both(t)
			must1(p.r.e.Initiate(back(t), p.now))
			p.flush()
			for range n {
				p.now = p.now.Add(time.Millisecond)
				if len(p.wire) > 0 {
					p.deliver(0)
				}
			}
			must1(p.i.e.Initiate(peerConfig(t), p.now))
			p.flush()
			for len(p.wire) > 0 {
				p.now = p.now.Add(time.Millisecond)
				p.deliver(0)
			}
			if len(p.i.e.Sessions()) != 2 || len(p.r.e.Sessions()) != 2 || len(p.i.in) != 2 || len(p.r.in) != 2 {
				t.Errorf("after %d messages of the one: %s; %s", n, dump(p.i.events), dump(p.r.events))
			}
		}
	})
}

// TestInitialContactUnproven: whoever only claims an identity ends nothing of it.
func TestInitialContactUnproven(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	p.establish(peerConfig(t))
	p.now = p.now.Add(time.Minute)
	c := peerConfig(t)
	c.PSK = []byte("incorrect horse")
	thief := p.restarted("thief", 72, c)
	if f, ok := last[SessionFailed](thief); !ok || f.PeerReason != "AUTHENTICATION_FAILED" {
		t.Errorf("%s", dump(thief.events))
	}
	if len(p.r.e.Sessions()) != 1 || count[SessionDown](p.r) != 0 {
		t.Errorf("%s", dump(p.r.events))
	}
	p.agree()
	p.close()
}
