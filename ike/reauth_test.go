package ike

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/ike/trust"
	"warren/pki"
	"warren/policy"
	"warren/sa"
)

// again is c as a session that is authenticated anew with the same.
func again(c PeerConfig) PeerConfig {
	c.Again = func() (PeerConfig, error) { return again(c), nil }
	return c
}

// reauthenticate asks for a successor of the session of a layer.
func (p *pair) reauthenticate(layer sa.Layer) SessionID {
	p.t.Helper()
	s := p.i.of(layer)
	if err := p.i.e.Reauthenticate(s.id, p.now); err != nil {
		p.t.Fatal(err)
	}
	return s.id
}

// of is the oldest session of a layer.
func (n *end) of(layer sa.Layer) *session {
	n.t.Helper()
	i := slices.IndexFunc(n.e.order, func(s *session) bool { return s.layer == layer })
	if i < 0 {
		n.t.Fatalf("%s has no session of layer %d: %s", n.name, layer, dump(n.events))
	}
	return n.e.order[i]
}

// TestReauth: at its age a session is followed by another one, with the same
// addresses, and no packet is lost at either end.
func TestReauth(t *testing.T) {
	for name, tell := range map[string]bool{"the responder sees ESP": true, "or the DELETE first": false} {
		t.Run(name, func(t *testing.T) {
			a, c := acceptConfig(t), peerConfig(t)
			c.Rekey.Reauth = time.Hour
			p := newPair(t, a)
			first := p.establish(again(c))
			before := p.i.theSession()
			p.watch = &flow{tell: tell}
			p.slow(time.Hour+10*time.Second, 5*time.Millisecond, func() {})
			p.agree()
			after := p.i.theSession()
			if after.ID == first || after.SPIi == before.SPIi || after.Lease4 != before.Lease4 || after.Reauths != 1 {
				t.Errorf("%+v after %+v", after, before)
			}
			if l := a.Pool.Leases(); len(l) != 1 || l[0].Addr != after.Lease4 {
				t.Errorf("leases %v, want the one", l)
			}
			if len(p.r.e.Sessions()) != 1 || p.i.downs()+p.r.downs() != 0 || count[ChildUp](p.r) != 1 {
				t.Errorf("responder: %s", dump(p.r.events))
			}
			if down, _ := last[SessionDown](p.r); !down.ByPeer || down.Reason != "deleted by the peer" {
				t.Errorf("the responder's old session ended by %+v", down)
			}
			p.slow(time.Hour, 5*time.Millisecond, func() {})
			if got := p.i.theSession(); got.Reauths != 2 {
				t.Errorf("%d reauthentications in two hours", got.Reauths)
			}
			p.watch = nil
			p.close()
		})
	}
}

// TestReauthOfEachLayer: in a chain whose layers all end at one responder, the
// outermost, a middle and the innermost are authenticated anew, and nothing else
// is touched.
func TestReauthOfEachLayer(t *testing.T) {
	p, ids := nestedPair(t, acceptConfig(t), 3)
	for _, s := range p.i.e.order {
		s.peer.Again = again(*s.peer).Again
		s.auth.psk = nil
	}
	for _, s := range p.i.e.order { // the engine has forgotten the keys
		was := s.peer.Again
		s.peer.Again = func() (PeerConfig, error) {
			c, err := was()
			c.PSK = peerConfig(t).PSK
			return c, err
		}
	}
	p.watch = &flow{tell: true}
	for _, layer := range []sa.Layer{7, 8, 9} {
		p.reauthenticate(layer)
		p.slow(10*time.Second, time.Millisecond, func() {})
		p.agree()
	}
	p.watch = nil
	if len(p.i.e.order) != 3 || len(p.r.e.order) != 3 || p.i.downs()+p.r.downs() != 0 {
		t.Errorf("initiator %s, responder %s", dump(p.i.events), dump(p.r.events))
	}
	for _, s := range p.i.e.Sessions() {
		if s.Reauths != 1 || slices.Contains(ids, s.ID) {
			t.Errorf("layer of %+v was not authenticated anew", s)
		}
	}
	p.i.quiet, p.r.quiet = true, true
	for _, layer := range []sa.Layer{9, 8, 7} {
		noError(p, p.i.e.Delete(p.i.of(layer).id, p.now))
		p.settle()
	}
	p.empty()
}

// TestReauthWaitsForTheChain: a reauthentication waits while another layer of its
// chain, or the session itself, replaces something, and they wait for it.
func TestReauthWaitsForTheChain(t *testing.T) {
	c := again(peerConfig(t))
	p := newPair(t, acceptConfig(t))
	p.chainOf(3, c)
	for _, s := range p.i.e.order { // chainOf has changed the layer since
		c := c
		c.NoInitialContact = true
		s.peer.Again = func() (PeerConfig, error) { return again(c), nil }
	}
	rekey := func(layer sa.Layer) func() {
		return func() {
			s := p.i.of(layer)
			if layer == 8 {
				noError(p, p.i.e.RekeyIKE(s.id, p.now))
			} else {
				noError(p, p.i.e.RekeyChild(s.id, s.inUse(layer).spiIn, p.now))
			}
		}
	}
	reauth := func(layer sa.Layer) func() { return func() { p.reauthenticate(layer) } }
	tests := map[string]struct {
		first, second func()
		done          int
	}{
		"outside waits for a middle rekey":  {rekey(8), reauth(7), 2},
		"the middle waits for an outer one": {rekey(7), reauth(8), 2},
		"inside waits for an outer one":     {rekey(7), reauth(9), 2},
		"it waits for its own rekey":        {rekey(9), reauth(9), 2},
		"a rekey inside waits for it":       {reauth(7), rekey(9), 2},
		"a rekey outside waits for it":      {reauth(9), rekey(7), 2},
		"its own rekey is not needed then":  {reauth(8), rekey(8), 1},
		"and another reauthentication":      {reauth(8), reauth(7), 2},
	}
	busy := func() (n int) {
		for _, s := range p.i.e.order {
			if s.replaces() {
				n++
			}
		}
		return n
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			sent := len(p.i.e.out.Send)
			do.first()
			if busy() != 1 || len(p.i.e.out.Send) != sent+1 {
				t.Fatalf("%d layers replace something, %d messages", busy(), len(p.i.e.out.Send)-sent)
			}
			do.second()
			if busy() != 1 || len(p.i.e.out.Send) != sent+1 {
				t.Errorf("the other does not wait: %d layers replace something, %d messages", busy(), len(p.i.e.out.Send)-sent)
			}
			most, before := 0, len(p.i.events)
			p.slow(3*time.Second, 5*time.Millisecond, func() { most = max(most, busy()) })
			if most != 1 {
				t.Errorf("%d layers replaced something at once, want 1", most)
			}
			if done := rekeys(p.i.events[before:]); done != do.done || busy() != 0 {
				t.Errorf("%d of %d are done: %s", done, do.done, dump(p.i.events[before:]))
			}
		})
	}
}

// rekeys counts what was replaced.
func rekeys(events []Event) (n int) {
	for _, ev := range events {
		switch ev.(type) {
		case ChildAdded, SessionRekeyed:
			n++
		}
	}
	return n
}

// TestReauthFails: the old session stays, the reason is told, and it is tried
// again.
func TestReauthFails(t *testing.T) {
	v4 := policy.Everything()[:1]
	tests := map[string]struct {
		spoil, mend func(p *pair, c *PeerConfig)
		want        string
		made        bool // the responder has made what the initiator does not want
	}{
		"the peer refuses the identity": {
			func(p *pair, _ *PeerConfig) { p.r.e.opt.Accept[0].IDs = nil },
			func(p *pair, _ *PeerConfig) { p.r.e.opt.Accept[0].IDs = []string{"*"} },
			"AUTHENTICATION_FAILED", false},
		"the keys differ": {
			func(_ *pair, c *PeerConfig) { c.PSK = []byte("other") },
			func(_ *pair, c *PeerConfig) { c.PSK = peerConfig(t).PSK },
			"AUTHENTICATION_FAILED", false},
		"the peer is another one": {
			func(_ *pair, c *PeerConfig) { c.RemoteID = mustID(t, "sg2.example") },
			func(_ *pair, c *PeerConfig) { c.RemoteID = mustID(t, "sg1.example") },
			"AUTHENTICATION_FAILED", false},
		"the peer answers nobody": {
			func(p *pair, _ *PeerConfig) { p.drop = func(f flight) bool { return f.kind() == 34 } },
			func(p *pair, _ *PeerConfig) { p.drop = nil },
			"no answer from 192.0.2.1:500 after 5 tries", false},
		"it has no more proposal in common": {
			func(_ *pair, c *PeerConfig) { c.ESP = espProposals(t, "aes256gcm16") },
			func(_ *pair, c *PeerConfig) { c.ESP = peerConfig(t).ESP },
			"accepts none of the ESP proposals", false},
		"another address is leased": {
			func(p *pair, _ *PeerConfig) { p.r.e.opt.Accept[0].Pool = mustPool(t, "10.99.2.0/24") },
			func(p *pair, _ *PeerConfig) { p.r.e.opt.Accept[0].Pool = mustPool(t, "10.99.1.0/24") },
			"the peer leased 10.99.2.2, and 10.99.1.2 before", true},
		"the selectors are narrower": {
			func(p *pair, _ *PeerConfig) { p.r.e.opt.Accept[0].Local = v4 },
			func(p *pair, _ *PeerConfig) { p.r.e.opt.Accept[0].Local = policy.Everything() },
			"the peer narrowed the selectors", true},
		"the caller has no configuration": {
			func(_ *pair, c *PeerConfig) { c.PSK = nil },
			func(_ *pair, c *PeerConfig) { c.PSK = peerConfig(t).PSK },
			"pre-shared key is missing", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := peerConfig(t)
			next := c
			c.Again = func() (PeerConfig, error) { // the same function again and again
				got := next
				got.PSK, got.Again = slices.Clone(next.PSK), c.Again
				return got, nil
			}
			next.Again = c.Again
			p := newPair(t, acceptConfig(t))
			p.establish(c)
			old := p.i.theSession()
			if !tt.made {
				p.watch = new(flow)
			}
			tt.spoil(p, &next)
			p.reauthenticate(7)
			p.advance(20 * time.Second)
			failed, _ := last[ReauthFailed](p.i)
			if failed.ID != old.ID || failed.Err == nil || !strings.Contains(failed.Err.Error(), tt.want) {
				t.Errorf("%+v, want %q", failed, tt.want)
			}
			if now := p.i.theSession(); now.SPIi != old.SPIi || now.Lease4 != old.Lease4 || len(p.r.e.Sessions()) != 1 {
				t.Errorf("%+v, want the old session as it was: %s", now, dump(p.r.events))
			}
			tt.mend(p, &next)
			p.advance(2 * maxReauthWait)
			if now := p.i.theSession(); now.Reauths != 1 || p.i.downs() != 0 {
				t.Errorf("not tried again: %+v", now)
			}
			p.watch = nil
			p.close()
		})
	}
}

// TestReauthBacksOff: the waits between reauthentications that fail grow, to a
// bound.
func TestReauthBacksOff(t *testing.T) {
	c := peerConfig(t)
	var at []time.Time
	var p *pair
	c.Again = func() (PeerConfig, error) { at = append(at, p.now); return PeerConfig{}, errors.New("none") }
	p = newPair(t, acceptConfig(t))
	p.establish(c)
	p.reauthenticate(7)
	p.advance(3 * time.Hour)
	if len(at) < 15 || len(at) > 30 || at[1].Sub(at[0]) > 10*time.Second {
		t.Fatalf("%d tries in 3 hours: %v", len(at), at)
	}
	if d := at[len(at)-1].Sub(at[len(at)-2]); d < maxReauthWait || d > 2*maxReauthWait {
		t.Errorf("the last two are %v apart", d)
	}
}

// TestReauthBeforeCertificatesEnd: it needs no configured age.
func TestReauthBeforeCertificatesEnd(t *testing.T) {
	ends := func(in time.Duration) func(*pki.Template) {
		return func(x *pki.Template) { x.To = start.Add(in) }
	}
	pk := thePKI()
	tests := map[string]struct {
		own, peer time.Duration
		from, to  time.Duration // of the first reauthentication
	}{
		"the peer's, in a day": {100 * time.Hour, 24 * time.Hour, 23*time.Hour - time.Minute, 23 * time.Hour},
		"this node's own":      {30 * time.Hour, 100 * time.Hour, 29*time.Hour - time.Minute, 29 * time.Hour},
		"in an hour":           {time.Hour, 100 * time.Hour, 54*time.Minute - time.Second, 54 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, a := certPair(t, "ed25519", "ed25519")
			c.Trust, a.Trust = store(t, trust.Options{}, pk.root), store(t, trust.Options{}, pk.root)
			c.Cert = credential(t, issue(pk.root, "ed25519", "alice.example", ends(tt.own)))
			a.Cert = credential(t, issue(pk.root, "ed25519", "sg1.example", ends(tt.peer)))
			c.Again = func() (PeerConfig, error) {
				c := c
				c.Cert = credential(t, issue(pk.root, "ed25519", "alice.example", ends(1000*time.Hour)))
				return c, nil
			}
			p := newPair(t, a)
			p.establish(c)
			p.advance(tt.from)
			if n := count[ReauthStarted](p.i); n != 0 {
				t.Errorf("%d reauthentications after %v", n, tt.from)
			}
			p.r.e.opt.Accept[0].Cert = credential(t, issue(pk.root, "ed25519", "sg1.example", ends(1000*time.Hour)))
			p.advance(tt.to - tt.from + time.Second)
			if n := count[ReauthStarted](p.i); n != 1 || p.i.theSession().Reauths != 1 {
				t.Errorf("%d reauthentications after %v", n, tt.to)
			}
			p.advance(500 * time.Hour)
			if n := count[ReauthStarted](p.i); n != 1 {
				t.Errorf("%d reauthentications although there are new certificates", n)
			}
		})
	}
}

// TestReauthEndings: whatever ends either of the two sessions meanwhile, nothing
// is left of what is not wanted, and the layer has the pair that is.
func TestReauthEndings(t *testing.T) {
	tests := map[string]struct {
		act  func(p *pair, old SessionID)
		left int // sessions at each end
	}{
		"the caller deletes the old one at once": {func(p *pair, old SessionID) {
			noError(p, p.i.e.Delete(old, p.now))
		}, 0},
		"before IKE_AUTH is answered": {func(p *pair, old SessionID) {
			p.flush()
			p.deliver(0)
			p.deliver(0)
			noError(p, p.i.e.Delete(old, p.now))
		}, 0},
		"when both are up": {func(p *pair, old SessionID) {
			p.settle()
			p.i.quiet = true
			noError(p, p.i.e.Delete(p.i.e.order[1].id, p.now))
			noError(p, p.i.e.Delete(old, p.now))
		}, 0},
		"it aborts the old one": {func(p *pair, old SessionID) {
			p.i.e.Abort(old)
			clear(p.i.in)
			clear(p.i.out)
			p.settle()
			p.i.quiet = true
			noError(p, p.i.e.Delete(p.i.theSession().ID, p.now))
			p.r.quiet = true
			noError(p, p.r.e.Delete(p.r.e.order[0].id, p.now))
		}, 0},
		"the peer deletes the old one before": {func(p *pair, _ SessionID) {
			noError(p, p.r.e.Delete(p.r.e.order[0].id, p.now))
			p.flush()
			p.deliverFrom(p.r)
		}, 1},
		"the peer deletes the new one": {func(p *pair, _ SessionID) {
			p.settle()
			noError(p, p.r.e.Delete(p.r.e.order[1].id, p.now))
		}, 1},
		"the new one loses its pair": {func(p *pair, _ SessionID) {
			p.settle()
			s := p.r.e.order[1]
			noError(p, p.r.e.DeleteChild(s.id, s.children[0].spiIn, p.now))
		}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			p.establish(again(peerConfig(t)))
			old := p.reauthenticate(7)
			tt.act(p, old)
			p.advance(5 * time.Minute)
			p.agree()
			if len(p.i.e.order) != tt.left || len(p.r.e.order) != tt.left || len(p.i.out) != tt.left || len(p.r.out) != tt.left {
				t.Fatalf("%d and %d sessions, %d and %d in use, want %d\n%s\n%s", len(p.i.e.order), len(p.r.e.order),
					len(p.i.out), len(p.r.out), tt.left, dump(p.i.events), dump(p.r.events))
			}
			p.i.quiet, p.r.quiet = true, true
			for _, s := range p.i.e.Sessions() {
				noError(p, p.i.e.Delete(s.ID, p.now))
			}
			p.empty()
		})
	}
}

// TestTwinTakesOver: a second session of one identity that asks for the same gets
// the layer of the first, in time even if it stays silent, and gives it back when
// it ends before that.
func TestTwinTakesOver(t *testing.T) {
	p := newPair(t, acceptConfig(t))
	c := peerConfig(t)
	c.NoInitialContact = true
	p.establish(c)
	first := p.r.out[101]
	c.Layer = 8
	second := p.establish(c)
	if len(p.r.out) != 1 || p.r.out[101] != first {
		t.Fatalf("responder sends on %v before the second was used", p.r.out)
	}
	p.advance(4900 * time.Millisecond)
	if p.r.out[101] != first {
		t.Error("the first one is not used any more")
	}
	p.advance(200 * time.Millisecond)
	if p.r.out[101] == first {
		t.Error("the second one is not used yet")
	}
	p.rekeyOf(p.r.e.order[0].id)
	p.advance(10 * time.Second)
	p.agree()
	if got := p.r.in[p.r.out[101]]; p.r.owner(got.SPIIn) != p.r.e.order[1].id {
		t.Error("a rekey gave the layer to the first one")
	}
	noError(p, p.i.e.Delete(second, p.now))
	p.advance(10 * time.Second)
	p.agree()
	if len(p.r.out) != 1 || p.r.downs() != 0 {
		t.Errorf("the first one has not got the layer back: %s", dump(p.r.events))
	}
	p.i.quiet, p.r.quiet = true, true
	p.close()
}
