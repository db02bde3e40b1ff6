package nest

import (
	"slices"
	"testing"

	"warren/policy"
)

// reload gives w the sample's rules as change leaves them.
func (w *world) reload(changed string, change func(transport []policy.TransportRule) []policy.TransportRule) Changed {
	w.t.Helper()
	old := sampleResolver()
	rules := slices.Clone(old.Tables().Transports())
	if change != nil {
		rules = change(rules)
	}
	r := NewResolver(policy.NewTables(rules, old.Tables().Tunnels(), old.Tables().Default()), nil, 0)
	for name, p := range old.peers { // but those of rules that are gone
		names := func(r policy.TransportRule) bool { return r.Peer == name }
		if slices.ContainsFunc(rules, names) || !slices.ContainsFunc(old.Tables().Transports(), names) {
			r.peers[name] = p
		}
	}
	out := w.m.Reload(Change{Resolver: r, Changed: func(peer string) bool { return peer == changed }}, w.now)
	w.take()
	return out
}

func rule(rules []policy.TransportRule, name string) *policy.TransportRule {
	return &rules[slices.IndexFunc(rules, func(r policy.TransportRule) bool { return r.Name == name })]
}

func without(name string) func([]policy.TransportRule) []policy.TransportRule {
	return func(rules []policy.TransportRule) []policy.TransportRule {
		return slices.DeleteFunc(rules, func(r policy.TransportRule) bool { return r.Name == name })
	}
}

// TestReloadKeepsWhatIsTheSame: nothing happens to a chain whose rule, stack and
// peers are what they were, whatever else changes.
func TestReloadKeepsWhatIsTheSame(t *testing.T) {
	w := sampleUp(t)
	before := w.m.Chains()[0]
	out := w.reload("", func(rules []policy.TransportRule) []policy.TransportRule {
		rules = append(rules, policy.TransportRule{Name: "more", Match: dst("203.0.113.128/25"), Action: policy.Plain})
		return append([]policy.TransportRule{{Name: "first", Match: dst("198.18.0.0/15"), Action: policy.Bypass}}, rules...)
	})
	wantLog(t, w)
	if after := w.m.Chains()[0]; after.State != Up || after.Layers[0].ID != before.Layers[0].ID || !slices.Contains(out.Kept, "web") || len(out.Again)+len(out.Gone) != 0 {
		t.Errorf("%+v; before\n%+v\nafter\n%+v", out, before, after)
	}
	if d := w.m.View().Decide(web); d.Verdict != Send {
		t.Errorf("its packets get %v", d.Verdict)
	}
	if d := w.m.View().Decide(tcp("198.18.0.1", 80)); d.Verdict != Bypass {
		t.Errorf("the new rule says %v", d.Verdict)
	}
}

// TestReloadMeetsAPeerAnew: chains through a peer that has changed go down,
// innermost first, hold their packets, and come up again.
func TestReloadMeetsAPeerAnew(t *testing.T) {
	w := sampleUp(t)
	if out := w.reload("sg2", nil); !slices.Contains(out.Again, "web") {
		t.Errorf("%+v", out)
	}
	if d := w.m.View().Decide(web); d.Verdict != Hold {
		t.Errorf("meanwhile packets get %v", d.Verdict)
	}
	w.settle()
	wantLog(t, w,
		"teardown 4 bob reachable=true", "layer-down web 4 bob",
		"teardown 3 sg3 reachable=true", "layer-down web 3 sg3",
		"teardown 2 sg2 reachable=true", "layer-down web 2 sg2",
		"teardown 1 sg1 reachable=true", "layer-down web 1 sg1",
		"chain-down web 0",
		"establish 1 sg1", "layer-up web 1 sg1", "establish 2 sg2", "layer-up web 2 sg2",
		"establish 3 sg3", "layer-up web 3 sg3", "establish 4 bob", "layer-up web 4 bob",
		"chain-up web 0", "release")
}

// TestReloadForgets: a chain that no rule wants goes down, refuses what it holds,
// and is forgotten; its rule may come back.
func TestReloadForgets(t *testing.T) {
	w := sampleUp(t)
	if out := w.reload("", without("web")); !slices.Equal(out.Gone, []string{"web"}) {
		t.Errorf("%+v", out)
	}
	if got := w.drainLog()[0]; got != "refuse" {
		t.Errorf("first comes %s", got)
	}
	if c := w.m.Chains()[0]; c.State != RollingBack || len(c.Layers) != 4 {
		t.Errorf("it goes as %+v", c)
	}
	w.Gone(w.in(leaving)[0])
	if c := w.m.Chains()[0]; len(c.Layers) != 3 {
		t.Errorf("it goes on as %+v", c)
	}
	_ = w.m.Up("all", w.now) // it is too late for that
	w.take()
	w.settle()
	for _, c := range w.m.Chains() {
		if c.Name == "web" {
			t.Errorf("it is there still: %+v", c)
		}
	}
	if out := w.reload("", nil); !slices.Contains(out.New, "web") || w.state("web") != Idle {
		t.Errorf("%+v", out)
	}
	w.Need(web)
	w.settle()
	if w.state("web") != Up {
		t.Errorf("it is %v", w.state("web"))
	}
}

// TestReloadComesBackAtOnce: the rule, or a packet, returns before its chain is
// gone.
func TestReloadComesBackAtOnce(t *testing.T) {
	for _, packet := range []bool{true, false} {
		w := sampleUp(t)
		w.reload("", without("web"))
		out := w.reload("", func(rules []policy.TransportRule) []policy.TransportRule {
			if !packet {
				rule(rules, "web").Start = policy.Now
			}
			return rules
		})
		if !slices.Equal(out.Again, []string{"web"}) {
			t.Errorf("%+v", out)
		}
		if packet {
			w.Need(web)
		}
		w.settle()
		w.Tick(0)
		w.settle()
		if w.state("web") != Up {
			t.Errorf("it is %v", w.state("web"))
		}
	}
}

// TestReloadOfSelectors: an association with other selectors is another one; a
// tunnel does not ask for the rule's.
func TestReloadOfSelectors(t *testing.T) {
	w := sampleUp(t)
	narrow := func(name string) func([]policy.TransportRule) []policy.TransportRule {
		return func(rules []policy.TransportRule) []policy.TransportRule {
			rule(rules, name).Match.Proto = []uint8{6}
			rule(rules, name).Match.DstPorts = []policy.Ports{{Lo: 443, Hi: 443}}
			return rules
		}
	}
	if out := w.reload("", narrow("rest")); !slices.Contains(out.Kept, "rest") || !slices.Contains(out.Kept, "web") {
		t.Errorf("plain: %+v", out)
	}
	if out := w.reload("", narrow("web")); !slices.Contains(out.Again, "web") {
		t.Errorf("protect: %+v", out)
	}
}

// TestReloadOfStart: a rule that is to start now does, one that is not any more
// stays until it is idle.
func TestReloadOfStart(t *testing.T) {
	w := newWorld(t, sampleOptions())
	start := func(s policy.Start) func([]policy.TransportRule) []policy.TransportRule {
		return func(rules []policy.TransportRule) []policy.TransportRule {
			rule(rules, "web").Start = s
			return rules
		}
	}
	w.reload("", start(policy.Now))
	w.Tick(0)
	w.settle()
	if w.state("web") != Up {
		t.Fatalf("it is %v", w.state("web"))
	}
	w.reload("", start(policy.OnDemand))
	w.settle()
	if w.state("web") != Up {
		t.Errorf("then it is %v", w.state("web"))
	}
	w.m.Shutdown(w.now)
	w.take()
	if out := w.reload("", nil); len(out.Kept)+len(out.New)+len(out.Gone) != 0 {
		t.Errorf("after the shutdown: %+v", out)
	}
}
