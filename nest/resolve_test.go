package nest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"warren/packet"
	"warren/policy"
)

func TestResolveSample(t *testing.T) {
	r := sampleResolver()
	tests := map[string]struct {
		flow packet.Flow
		rule string
		want string
	}{
		"protected":            {tcp("203.0.113.77", 443), "web", "sg1 sg2 sg3 bob"},
		"end of the range":     {tcp("203.0.113.77", 5999), "web", "sg1 sg2 sg3 bob"},
		"past it":              {tcp("203.0.113.77", 6000), "rest", "sg1 sg2 sg3"},
		"the last gateway":     {tcp("203.0.113.1", 443), "rest", "sg1 sg2"},
		"bypassed":             {tcp("192.168.7.7", 443), "lan", ""},
		"default":              {tcp("198.51.100.1", 443), "", ""},
		"fragment, no ports":   {packet.Flow{Src: ip("10.200.0.1"), Dst: ip("203.0.113.77"), Proto: 6, Frag: true}, "web", "sg1 sg2 sg3 bob"},
		"fragment, other host": {packet.Flow{Src: ip("10.200.0.1"), Dst: ip("203.0.113.9"), Proto: 6, Frag: true}, "rest", "sg1 sg2 sg3"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res, err := r.Resolve(tt.flow)
			if err != nil {
				t.Fatal(err)
			}
			var peers []string
			for _, a := range res.Pending.Actions() {
				peers = append(peers, a.Peer)
			}
			rule := ""
			if res.Rule != nil {
				rule = res.Rule.Name
			}
			if got := strings.Join(peers, " "); got != tt.want || rule != tt.rule {
				t.Errorf("rule %q, stack %q, want rule %q, stack %q", rule, got, tt.rule, tt.want)
			}
		})
	}
}

// gateways makes a resolver whose tunnel rules are "destination via".
func gateways(depth int, rules ...string) *Resolver {
	peers := map[string]Peer{}
	var list []Peer
	peer := func(name string) netip.Addr {
		if _, ok := peers[name]; !ok {
			p := Peer{Name: name, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(len(peers) + 1)})}, Suite: testSuite}
			peers[name], list = p, append(list, p)
		}
		return peers[name].Addrs[0]
	}
	var tunnels []policy.TunnelRule
	for i, r := range rules {
		to, via, _ := strings.Cut(r, " ")
		peer(via)
		m := policy.Match{}
		if strings.Contains(to, "/") {
			m = dst(to)
		} else {
			m = dst(peer(to).String())
		}
		tunnels = append(tunnels, policy.TunnelRule{Match: m, Via: via, Pos: fmt.Sprintf("c.yaml:%d:1", i+1)})
	}
	all := []policy.TransportRule{{Name: "all", Match: dst("10.0.0.0/8"), Action: policy.Plain, Pos: "c.yaml:99:1"}}
	return NewResolver(policy.NewTables(all, tunnels, policy.Discard), list, depth)
}

// CASES C, "loops (inner route to the outer gateway through itself) refused at
// build time": the rules of the loop are named, and nothing is built.
func TestLoopsAreRefused(t *testing.T) {
	tests := map[string]struct {
		rules []string
		want  []string
	}{
		"two gateways":   {[]string{"10.0.0.0/8 a", "a b", "b a"}, []string{"gateway a", "via a (c.yaml:1:1)", "via b (c.yaml:2:1)", "via a (c.yaml:3:1)"}},
		"three gateways": {[]string{"10.0.0.0/8 a", "a b", "b c", "c b"}, []string{"gateway b", "c.yaml:4:1"}},
		"by everything":  {[]string{"0.0.0.0/0 a", "0.0.0.0/0 b"}, []string{"gateway a", "via b (c.yaml:2:1)"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := gateways(0, tt.rules...)
			_, err := r.Resolve(tcp("10.1.1.1", 80))
			var cycle *CycleError
			if !errors.As(err, &cycle) {
				t.Fatalf("got %v", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
			if errs := r.Check(); len(errs) != 1 || errs[0].Error() != err.Error() {
				t.Errorf("check: %v", errs)
			}
			w := newWorld(t, Options{Resolver: r})
			if _, err := w.m.Need(tcp("10.1.1.1", 80), w.now); err == nil || !w.m.Empty() {
				t.Error("something is built")
			}
			if d := w.m.View().Decide(tcp("10.1.1.1", 80)); d.Verdict != Refused || d.Drop != packet.Depth {
				t.Errorf("packets get %v %v", d.Verdict, d.Drop)
			}
		})
	}
}

func TestRuleForEverythingIsNoLoop(t *testing.T) {
	r := gateways(0, "0.0.0.0/0 a")
	res, err := r.Resolve(tcp("10.1.1.1", 80))
	if err != nil || res.Pending.Len() != 1 {
		t.Fatalf("%v %v", res.Pending.Actions(), err)
	}
}

func TestDepthLimit(t *testing.T) {
	rules := []string{"10.0.0.0/8 g0", "g0 g1", "g1 g2", "g2 g3"}
	if _, err := gateways(4, rules...).Resolve(tcp("10.1.1.1", 80)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := gateways(3, rules...).Resolve(tcp("10.1.1.1", 80))
	var depth *DepthError
	if !errors.As(err, &depth) || depth.Limit != 3 || !strings.Contains(err.Error(), "c.yaml:4:1") {
		t.Errorf("past it: %v", err)
	}
}

func TestProtectNeedsThePeersAddress(t *testing.T) {
	tables := policy.NewTables([]policy.TransportRule{
		{Name: "r", Match: dst("10.0.0.0/24"), Action: policy.Protect, Peer: "p", Pos: "c.yaml:1:1"},
	}, nil, policy.Discard)
	r := NewResolver(tables, []Peer{{Name: "p", Addrs: []netip.Addr{ip("10.0.0.7")}}}, 0)
	if res, err := r.Resolve(tcp("10.0.0.7", 80)); err != nil || res.Pending.Len() != 1 {
		t.Errorf("to the peer: %v %v", res.Pending.Actions(), err)
	}
	var wrong *PeerError
	if _, err := r.Resolve(tcp("10.0.0.8", 80)); !errors.As(err, &wrong) {
		t.Errorf("to another: %v", err)
	}
	if len(r.Check()) != 1 {
		t.Errorf("check: %v", r.Check())
	}
}

func TestPlainWithoutTunnelIsBypass(t *testing.T) {
	r := gateways(0, "10.1.0.0/16 a")
	if res, err := r.Resolve(tcp("10.2.0.1", 80)); err != nil || res.Verdict != ResolvedBypass {
		t.Errorf("%v %v", res.Verdict, err)
	}
}

// TestResolveFollowsDesign holds Resolve to DESIGN, section 2, written down as
// it stands there.
func TestResolveFollowsDesign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules []string
		name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		for range rapid.IntRange(0, 6).Draw(t, "rules") {
			to := rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/30", "a", "b", "c", "d"}).Draw(t, "dst")
			rules = append(rules, to+" "+name.Draw(t, "via"))
		}
		r := gateways(3, rules...)
		f := tcp(rapid.SampledFrom([]string{"10.1.0.1", "10.2.0.1"}).Draw(t, "to"), 80)
		want, wantErr := slowResolve(r, f.Dst)
		res, err := r.Resolve(f)
		if (err != nil) != wantErr {
			t.Fatalf("error %v, want one: %t", err, wantErr)
		}
		var got []netip.Addr
		for _, a := range res.Pending.actions {
			got = append(got, a.Addr)
		}
		if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("pushed %v, want %v", got, want)
		}
	})
}

// slowResolve is the gateways pushed for a packet to dst, and whether that is
// refused.
func slowResolve(r *Resolver, dst netip.Addr) (pushed []netip.Addr, refused bool) {
	seen := map[netip.Addr]bool{}
again:
	for _, rule := range r.tables.Tunnels() {
		via := r.peers[rule.Via].Addrs[0]
		if !rule.Match.Dst[0].Contains(dst) || via == dst {
			continue
		}
		if seen[via] || len(pushed) == r.depth {
			return nil, true
		}
		seen[via] = true
		pushed = append(pushed, via)
		dst = via
		goto again
	}
	return pushed, false
}
