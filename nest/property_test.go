package nest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// drawForest makes rules whose gateways form a random forest, and transport
// rules that end at random places of it.
func drawForest(t *rapid.T) (*Resolver, []packet.Flow) {
	r, flows, _ := drawForests(t)
	return r, flows
}

// drawForests is drawForest with a way to draw other rules for the same flows.
func drawForests(t *rapid.T) (*Resolver, []packet.Flow, func(*rapid.T) *Resolver) {
	var peers []Peer
	var tunnels []policy.TunnelRule
	var transports []policy.TransportRule
	var flows []packet.Flow
	gateways := rapid.IntRange(1, 6).Draw(t, "gateways")
	for i := range gateways {
		g := Peer{Name: fmt.Sprintf("g%d", i), Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})}, VirtualIP4: true, Suite: testSuite}
		peers = append(peers, g)
		if outer := rapid.IntRange(-1, i-1).Draw(t, "outer"); outer >= 0 {
			tunnels = append(tunnels, policy.TunnelRule{Match: dst(g.Addrs[0].String()), Via: peers[outer].Name})
		}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
		to := netip.AddrFrom4([4]byte{10, byte(i), 0, 1})
		r := policy.TransportRule{Name: fmt.Sprintf("r%d", i), Match: dst(to.String()), Action: policy.Plain}
		if rapid.Bool().Draw(t, "protect") {
			r.Action, r.Peer = policy.Protect, fmt.Sprintf("p%d", i)
			peers = append(peers, Peer{Name: r.Peer, Addrs: []netip.Addr{to}, Suite: testSuite})
		}
		if rapid.Bool().Draw(t, "now") {
			r.Start = policy.Now
		}
		r.Idle = time.Duration(rapid.IntRange(0, 3).Draw(t, "idle")) * time.Minute
		transports = append(transports, r)
		via := fmt.Sprintf("g%d", rapid.IntRange(0, gateways-1).Draw(t, "via"))
		tunnels = append(tunnels, policy.TunnelRule{Match: r.Match, Via: via})
		flows = append(flows, tcp(to.String(), 80))
	}
	other := func(t *rapid.T) *Resolver {
		var some []policy.TransportRule
		for _, r := range transports {
			if rapid.IntRange(0, 2).Draw(t, "keep") > 0 {
				r.Start = policy.Start(rapid.IntRange(0, 1).Draw(t, "start"))
				if rapid.IntRange(0, 3).Draw(t, "narrow") == 0 {
					r.Match.Proto = []uint8{6}
				}
				some = append(some, r)
			}
		}
		return NewResolver(policy.NewTables(some, tunnels, policy.Discard), peers, 8)
	}
	return NewResolver(policy.NewTables(transports, tunnels, policy.Discard), peers, 8), flows, other
}

// TestAnyOrderOfEvents drives a Manager through random demands, failures,
// losses and answers in any order. The world checks every command and every
// state on the way; see its methods for the rules.
func TestAnyOrderOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		resolver, flows, other := drawForests(t)
		w := newWorld(t, Options{Resolver: resolver, Own4: ip("10.200.0.1")})
		name := func() string {
			names := []string{"all"}
			for _, c := range w.m.Chains() {
				names = append(names, c.Name)
			}
			return rapid.SampledFrom(names).Draw(t, "chain")
		}
		pick := func(s nodeState) (sa.Layer, bool) {
			all := w.in(s)
			if len(all) == 0 {
				return 0, false
			}
			return rapid.SampledFrom(all).Draw(t, "layer"), true
		}
		answer := func(s nodeState, f func(sa.Layer)) func(*rapid.T) {
			return func(*rapid.T) {
				if id, ok := pick(s); ok {
					f(id)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"need":   func(*rapid.T) { w.Need(rapid.SampledFrom(flows).Draw(t, "flow")) },
			"up":     func(*rapid.T) { _ = w.m.Up(name(), w.now); w.take() },
			"down":   func(*rapid.T) { _ = w.m.Down(name(), w.now); w.take() },
			"done":   answer(building, w.Done),
			"done2":  answer(building, w.Done),
			"failed": answer(building, w.Failed),
			"lost":   answer(standing, w.Lost),
			"gone":   answer(leaving, w.Gone),
			"gone2":  answer(leaving, w.Gone),
			"reload": func(*rapid.T) {
				odd := rapid.SampledFrom([]string{"", "g0", "g1", "p0", "p1"}).Draw(t, "changed")
				w.m.Reload(Change{Resolver: other(t), Changed: func(peer string) bool { return peer == odd }}, w.now)
				w.take()
			},
			"late done": answer(leaving, func(id sa.Layer) {
				w.m.Done(id, w.answer(id), w.now)
				w.take()
			}),
			"late failed": answer(leaving, func(id sa.Layer) {
				w.m.Failed(id, fmt.Errorf("late"), w.now)
				w.m.Lost(id, fmt.Errorf("late"), w.now)
				w.take()
			}),
			"narrowed": answer(building, func(id sa.Layer) {
				e := w.answer(id)
				e.RemoteTS = []policy.Selector{policy.AddrSelector(ip("192.0.2.1"))}
				w.doneWith(id, e)
			}),
			"tick": func(*rapid.T) {
				w.Tick(time.Duration(rapid.IntRange(0, 100).Draw(t, "s")) * time.Second)
			},
			"rest": func(*rapid.T) {
				for ids := w.in(leaving); len(ids) > 0; ids = w.in(leaving) {
					w.Gone(ids[0])
				}
				if len(w.in(building)) > 0 {
					return
				}
				if up, want := w.in(standing), w.referenced(); !slices.Equal(up, want) {
					t.Fatalf("tunnels in place: %v, referenced by chains: %v", up, want)
				}
			},
		})
		shutDown(t, w)
	})
}

// shutDown ends w and checks that nothing is left and nothing starts again.
func shutDown(t *rapid.T, w *world) {
	w.m.Shutdown(w.now)
	w.take()
	for ids := w.in(leaving); len(ids) > 0; ids = w.in(leaving) {
		w.Gone(ids[0])
		w.Tick(time.Hour)
	}
	if !w.m.Empty() || len(w.nodes) > 0 {
		t.Fatalf("%d layers are left after shutdown", len(w.nodes))
	}
	for _, c := range w.m.Chains() {
		if c.State != Idle {
			t.Fatalf("%s is %v after shutdown", c.Name, c.State)
		}
	}
	if at := w.m.Next(); !at.IsZero() {
		t.Fatalf("something is due at %v after shutdown", at)
	}
}

// TestEveryChainRecovers: whatever happened, once the world only says yes, every
// chain that is wanted comes up.
func TestEveryChainRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		resolver, flows := drawForest(t)
		w := newWorld(t, Options{Resolver: resolver, Own4: ip("10.200.0.1")})
		for range rapid.IntRange(0, 40).Draw(t, "trouble") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				w.Need(rapid.SampledFrom(flows).Draw(t, "flow"))
			case 1:
				for _, id := range w.in(building) {
					w.Done(id)
				}
			case 2:
				if ids := w.in(building); len(ids) > 0 {
					w.Failed(ids[0])
				}
			case 3:
				if ids := w.in(standing); len(ids) > 0 {
					w.Lost(rapid.SampledFrom(ids).Draw(t, "lost"))
				}
			case 4:
				if ids := w.in(leaving); len(ids) > 0 {
					w.Gone(ids[0])
				}
			}
		}
		_ = w.m.Up("all", w.now)
		w.take()
		w.settle()
		w.Tick(time.Second)
		w.settle()
		for _, c := range w.m.Chains() {
			if c.State != Up {
				t.Fatalf("%s is %v: %s", c.Name, c.State, c.Reason)
			}
		}
		shutDown(t, w)
	})
}
