package nest

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/packet"
	"warren/policy"
	"warren/sa"
)

var web = tcp("203.0.113.77", 443)

// sampleUp is the sample's web chain, built by a first packet.
func sampleUp(t *testing.T) *world {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.settle()
	if s := w.state("web"); s != Up {
		t.Fatalf("web is %v", s)
	}
	w.drainLog()
	return w
}

func TestFirstPacketBuildsOutermostFirst(t *testing.T) {
	w := newWorld(t, sampleOptions())
	if got := w.m.View().Decide(web); got.Verdict != Hold {
		t.Fatalf("first packet: %v", got.Verdict)
	}
	w.Need(web)
	w.Need(web) // the second packet changes nothing
	w.settle()
	wantLog(t, w,
		"establish 1 sg1", "layer-up web 1 sg1",
		"establish 2 sg2", "layer-up web 2 sg2",
		"establish 3 sg3", "layer-up web 3 sg3",
		"establish 4 bob", "layer-up web 4 bob",
		"chain-up web 0", "release")
	if got := w.m.View().Decide(web); got.Verdict != Send {
		t.Fatalf("afterwards: %v", got.Verdict)
	}
}

// The outer layers' addresses are those of DESIGN, section 4.
func TestEachLayerComesFromTheLeaseBeforeIt(t *testing.T) {
	w := sampleUp(t)
	layers := w.m.Chains()[0].Layers
	if got := layers[0].Local; got != ip("192.0.2.100") {
		t.Errorf("layer 1 comes from %v", got)
	}
	for i := 1; i < len(layers); i++ {
		if layers[i].Local != layers[i-1].Inner4 {
			t.Errorf("layer %d comes from %v, the lease was %v", i+1, layers[i].Local, layers[i-1].Inner4)
		}
	}
	for i, want := range []InnerMTU{1438, 1374, 1310, 1266} {
		if layers[i].MTU != want {
			t.Errorf("layer %d: MTU %d, want %d", i+1, layers[i].MTU, want)
		}
	}
}

// TestRollback fails every layer in turn: what was completed goes in reverse
// order, each through those outside it, and nothing is left.
func TestRollback(t *testing.T) {
	down := []string{
		"teardown 1 sg1 reachable=true", "layer-down web 1 sg1",
		"teardown 2 sg2 reachable=true", "layer-down web 2 sg2",
		"teardown 3 sg3 reachable=true", "layer-down web 3 sg3",
	}
	peers := []string{"sg1", "sg2", "sg3", "bob"}
	for k := 1; k <= 4; k++ {
		w := newWorld(t, sampleOptions())
		w.Need(web)
		for range k - 1 {
			w.Done(w.in(building)[0])
		}
		w.drainLog()
		w.Failed(w.in(building)[0])
		for len(w.in(leaving)) > 0 {
			if w.state("web") != RollingBack {
				t.Errorf("layer %d failed: state %v", k, w.state("web"))
			}
			w.Gone(w.in(leaving)[0])
		}
		want := []string{"rollback web " + string(rune('0'+k)) + " " + peers[k-1], "refuse"}
		for i := k - 1; i >= 1; i-- {
			want = append(want, down[2*i-2:2*i]...)
		}
		want = append(want, "chain-failed web "+string(rune('0'+k))+" "+peers[k-1])
		wantLog(t, w, want...)
		s := w.m.Chains()[0]
		if !w.m.Empty() || s.State != Failed || s.FailedLayer != k || s.FailedPeer != peers[k-1] || s.Reason != "no answer" {
			t.Errorf("layer %d failed: %+v", k, s)
		}
		if d := w.m.View().Decide(web); d.Verdict != Unreachable {
			t.Errorf("layer %d failed: packets get %v", k, d.Verdict)
		}
	}
}

func TestTwoChainsWaitForOneTunnel(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.Need(tcp("203.0.113.9", 80))
	w.settle()
	if got := len(w.done); got != 4 {
		t.Fatalf("%d layers were built, want 4", got)
	}
	if w.state("web") != Up || w.state("rest") != Up {
		t.Fatalf("web is %v, rest is %v", w.state("web"), w.state("rest"))
	}
	w.drainLog()
	if err := w.m.Down("web", w.now); err != nil {
		t.Fatal(err)
	}
	w.take()
	w.settle()
	wantLog(t, w, "refuse", "teardown 4 bob reachable=true", "layer-down web 4 bob", "chain-down web 0")
	if d := w.m.View().Decide(tcp("203.0.113.9", 80)); d.Verdict != Send {
		t.Fatalf("the other chain's packets get %v", d.Verdict)
	}
}

func TestFailureFailsAllThatWait(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.Need(tcp("203.0.113.9", 80))
	w.Done(w.in(building)[0])
	w.Failed(w.in(building)[0])
	w.settle()
	for _, s := range w.m.Chains() {
		if s.State != Failed || s.FailedLayer != 2 || s.Reason != "no answer" {
			t.Errorf("%+v", s)
		}
	}
}

// A chain that needs a tunnel on its way out waits until it is gone and builds
// it afresh.
func TestNodeOnItsWayOutIsBuiltAfresh(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.Done(w.in(building)[0])
	w.Failed(w.in(building)[0]) // sg1 is leaving
	old := w.in(leaving)[0]
	w.Need(tcp("203.0.113.9", 80))
	if s := w.state("rest"); s != Pending {
		t.Fatalf("rest is %v", s)
	}
	w.Gone(old)
	if s := w.state("rest"); s != Establishing {
		t.Fatalf("rest is %v", s)
	}
	if id := w.in(building)[0]; id == old || w.nodes[id].Action.Peer != "sg1" {
		t.Fatalf("layer %d is built", id)
	}
	w.settle()
	if w.state("rest") != Up || w.state("web") != Failed {
		t.Fatalf("rest is %v, web is %v", w.state("rest"), w.state("web"))
	}
}

// A middle layer dies: what is inside goes, innermost first and without
// waiting for answers, what is outside stays, and it is repaired from there.
func TestLossOfAMiddleLayer(t *testing.T) {
	w := sampleUp(t)
	w.m.Used(w.m.chains[0].key, w.now)
	w.Tick(time.Hour - time.Second)
	w.Lost(w.done[1])
	if w.m.View().Bundle(w.done[1]) != nil || w.m.View().Bundle(w.done[0]) == nil {
		t.Fatal("the lost layer is still sent through, or the one outside it is not")
	}
	for len(w.in(leaving)) > 0 {
		w.Gone(w.in(leaving)[0])
	}
	wantLog(t, w, "chain-down web 2 sg2",
		"teardown 4 bob reachable=false", "layer-down web 4 bob",
		"teardown 3 sg3 reachable=false", "layer-down web 3 sg3", "layer-down web 2 sg2")
	s := w.m.Chains()[0]
	if s.State != Degraded || s.FailedLayer != 2 || s.Layers[0].State != Up || s.Layers[1].State != Idle {
		t.Fatalf("%+v", s)
	}
	if d := w.m.View().Decide(web); d.Verdict != Hold {
		t.Fatalf("packets get %v while it is repaired", d.Verdict)
	}
	for range 3 { // sg2 stays dead for some tries: sg1 stays up meanwhile
		w.Tick(3 * time.Minute)
		w.Failed(w.in(building)[0])
		if d := w.m.View().Decide(web); d.Verdict != Unreachable {
			t.Fatalf("packets get %v after a failed repair", d.Verdict)
		}
		if s := w.state("web"); s != Degraded || !slices.Equal(w.in(standing), w.done[:1]) {
			t.Fatalf("web is %v, layers up: %v", s, w.in(standing))
		}
	}
	w.drainLog()
	w.Tick(3 * time.Minute)
	w.settle()
	wantLog(t, w, "establish 2 sg2", "layer-up web 2 sg2", "establish 3 sg3", "layer-up web 3 sg3",
		"establish 4 bob", "layer-up web 4 bob", "chain-up web 0", "release")
}

func TestLossWhileADeeperLayerIsBuilt(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.Done(w.in(building)[0])
	w.Done(w.in(building)[0])
	w.drainLog()
	w.Lost(w.done[0])
	wantLog(t, w, "rollback web 1 sg1", "refuse", "teardown 3 sg3 reachable=false")
	w.m.Done(w.in(leaving)[0], w.answer(w.in(leaving)[0]), w.now) // too late
	w.take()
	w.settle()
	if s := w.m.Chains()[0]; s.State != Failed || s.FailedLayer != 1 || !w.m.Empty() {
		t.Fatalf("%+v", s)
	}
}

// The outer layer dies while an inner one says goodbye through it.
func TestLossUnderATearDown(t *testing.T) {
	w := sampleUp(t)
	_ = w.m.Down("web", w.now)
	w.take()
	w.drainLog()
	w.Lost(w.done[0])
	wantLog(t, w, "teardown 4 bob reachable=false")
	w.settle()
	if !w.m.Empty() {
		t.Fatal("layers are left")
	}
}

func TestLossOfAnUnusedChain(t *testing.T) {
	w := sampleUp(t)
	w.Lost(w.done[3])
	w.settle()
	if s := w.state("web"); s != Idle || !w.m.Empty() {
		t.Fatalf("web is %v", s)
	}
	if d := w.m.View().Decide(web); d.Verdict != Hold {
		t.Fatalf("the next packet gets %v", d.Verdict)
	}
}

func TestDownWhileEstablishing(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.Done(w.in(building)[0])
	w.drainLog()
	_ = w.m.Down("web", w.now)
	w.take()
	w.settle()
	wantLog(t, w, "refuse", "teardown 2 sg2 reachable=true", "teardown 1 sg1 reachable=true",
		"layer-down web 1 sg1", "chain-down web 0")
	if key := w.Need(web); key == "" || w.state("web") != Idle {
		t.Fatalf("a packet woke a chain that was taken down: %v", w.state("web"))
	}
	if d := w.m.View().Decide(web); d.Verdict != Unreachable {
		t.Fatalf("its packets get %v", d.Verdict)
	}
	_ = w.m.Up("web", w.now)
	w.take()
	w.settle()
	if s := w.state("web"); s != Up {
		t.Fatalf("after up it is %v", s)
	}
	if err := w.m.Up("nobody", w.now); !errors.Is(err, ErrNoChain) {
		t.Fatalf("up nobody: %v", err)
	}
}

func TestShutdownWhilePending(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.Done(w.in(building)[0])
	w.m.Shutdown(w.now)
	w.take()
	w.settle()
	if !w.m.Empty() {
		t.Fatal("layers are left")
	}
	if _, err := w.m.Need(web, w.now); !errors.Is(err, ErrShutdown) {
		t.Fatalf("need after shutdown: %v", err)
	}
	if d := w.m.View().Decide(web); d.Verdict != Unreachable {
		t.Fatalf("packets after shutdown get %v", d.Verdict)
	}
}

func TestDoneOfALayerLongGiven(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.m.Done(77, Established{}, w.now)
	got := w.m.Take()
	if want := (TearDown{Layer: 77, Reachable: true}); len(got) != 1 || got[0] != Command(want) {
		t.Fatalf("commands %+v", got)
	}
}

func TestBackoff(t *testing.T) {
	opt := sampleOptions()
	opt.Backoff = Backoff{Min: time.Second, Max: 8 * time.Second}
	w := newWorld(t, opt)
	_ = w.m.Up("web", w.now)
	w.take()
	for _, want := range []time.Duration{1, 2, 4, 8, 8} {
		w.Failed(w.in(building)[0])
		if got := w.m.Next().Sub(w.now); got != want*time.Second {
			t.Fatalf("wait %v, want %ds", got, want)
		}
		w.Tick(want*time.Second - 1)
		if w.state("web") != Failed {
			t.Fatalf("web is %v before its time", w.state("web"))
		}
		w.Tick(1)
	}
	jittered := Backoff{Min: time.Second, Jitter: func() float64 { return 0.5 }}
	if got := jittered.wait(2); got != 1500*time.Millisecond {
		t.Errorf("with jitter 0.5: %v", got)
	}
}

// An on-demand chain that failed waits for its back-off, and then for traffic.
func TestFailedOnDemandChainWaitsForTraffic(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	w.Failed(w.in(building)[0])
	w.Need(web)
	if w.state("web") != Failed || len(w.in(building)) > 0 {
		t.Fatal("a packet got around the back-off")
	}
	w.Tick(time.Second)
	if d := w.m.View().Decide(web); w.state("web") != Failed || d.Verdict != Hold {
		t.Fatalf("web is %v, packets get %v", w.state("web"), d.Verdict)
	}
	w.Need(web)
	w.settle()
	if w.state("web") != Up {
		t.Fatalf("web is %v", w.state("web"))
	}
}

func TestIdleTimeout(t *testing.T) {
	w := newWorld(t, sampleOptions())
	rest := tcp("203.0.113.9", 80)
	w.Need(rest)
	w.settle()
	w.Tick(9 * time.Minute)
	w.m.View().Decide(rest).Bundle.Used.Add(1) // the dataplane sends a packet
	w.Tick(time.Minute)
	if s := w.state("rest"); s != Up {
		t.Fatalf("rest is %v, it was used", s)
	}
	if got := w.m.Next().Sub(w.now); got != 10*time.Minute {
		t.Fatalf("next look in %v", got)
	}
	w.Tick(10 * time.Minute)
	w.settle()
	if s := w.state("rest"); s != Idle || !w.m.Empty() {
		t.Fatalf("rest is %v", s)
	}
}

func TestStartNow(t *testing.T) {
	opt := sampleOptions()
	rules := slices.Clone(opt.Resolver.Tables().Transports())
	rules[1].Start = policy.Now
	opt.Resolver.tables = policy.NewTables(rules, opt.Resolver.Tables().Tunnels(), policy.Discard)
	w := newWorld(t, opt)
	if at := w.m.Next(); at.IsZero() || at.After(w.now) {
		t.Fatalf("first tick at %v", at)
	}
	w.Tick(0)
	w.settle()
	if w.state("rest") != Up || w.state("web") != Idle {
		t.Fatalf("rest is %v, web is %v", w.state("rest"), w.state("web"))
	}
}

// RFC 7296, Section 2.9: a gateway may narrow. What then does not cover the
// next gateway, or the flow, is that layer's failure.
func TestNarrowedSelectors(t *testing.T) {
	for layer, peer := range []string{"sg1", "sg2", "sg3", "bob"} {
		w := newWorld(t, sampleOptions())
		w.Need(web)
		for range layer {
			w.Done(w.in(building)[0])
		}
		id := w.in(building)[0]
		e := w.answer(id)
		e.RemoteTS = policy.PrefixSelectors(pfx("10.0.0.0/8"))
		w.doneWith(id, e)
		w.settle()
		s := w.m.Chains()[0]
		if s.State != Failed || s.FailedPeer != peer || !strings.Contains(s.Reason, "10.0.0.0/8") || !strings.Contains(s.Reason, "proposed: ") {
			t.Errorf("%s narrowed: %v: %s", peer, s.State, s.Reason)
		}
	}
}

func TestGatewayWithoutTheRightLease(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	id := w.in(building)[0]
	e := w.answer(id)
	e.Inner4, e.Inner6 = netip.Addr{}, ip("fd99::2")
	w.doneWith(id, e)
	w.settle()
	if s := w.m.Chains()[0]; s.State != Failed || s.FailedLayer != 1 || !strings.Contains(s.Reason, "leased no address of the family of sg2") {
		t.Fatalf("%+v", s)
	}
}

func TestChainNames(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(tcp("203.0.113.1", 22)) // sg3 itself: reached without its own tunnel
	var names []string
	for _, s := range w.m.Chains() {
		names = append(names, s.Name)
	}
	if want := []string{"web", "rest", "rest#2"}; !slices.Equal(names, want) {
		t.Errorf("chains %v, want %v", names, want)
	}
}

func TestRekeyKeepsTheBundle(t *testing.T) {
	w := sampleUp(t)
	before := w.m.View().Decide(web).Bundle
	e := w.answer(w.done[1])
	e.SPIOut = 0x9999
	w.m.Rekeyed(w.done[1], e, w.now)
	w.take()
	if before.Layers[2].Link.Out.Load() != e.Out {
		t.Error("the bundle in use does not send on the new SA")
	}
	if l := w.m.Chains()[0].Layers[1]; l.SPIOut != 0x9999 || l.Rekeys != 1 {
		t.Errorf("%+v", l)
	}
}

// A layer that is authenticated anew keeps its bundle, and tells why it was not.
func TestReauthKeepsTheBundle(t *testing.T) {
	w := sampleUp(t)
	before := w.m.View().Decide(web).Bundle
	id := w.done[1]
	w.m.NotReauthenticated(id, errors.New("refused"))
	w.take()
	if l := w.m.Chains()[0].Layers[1]; l.Reason != "refused" || l.State != Up || w.log[len(w.log)-1] != "reauth-failed web 2 sg2" {
		t.Errorf("%+v, log %v", l, w.log)
	}
	e := w.answer(id)
	e.SPIIn = 0x9999
	w.m.Reauthenticated(id, e, w.now)
	w.take()
	if before.Layers[2].Link.Out.Load() != e.Out || w.m.InUse(id) != 0x9999 {
		t.Error("the bundle in use does not send on the new SA")
	}
	if l := w.m.Chains()[0].Layers[1]; l.Reauths != 1 || l.Rekeys != 0 || l.Reason != "" || w.log[len(w.log)-1] != "reauth web 2 sg2" {
		t.Errorf("%+v, log %v", l, w.log)
	}
	logged := len(w.log)
	w.m.Reauthenticated(99, e, w.now)
	w.m.NotReauthenticated(99, errors.New("refused"))
	w.Lost(id)
	w.m.Reauthenticated(id, e, w.now) // too late
	w.m.NotReauthenticated(id, errors.New("refused"))
	w.take()
	if slices.ContainsFunc(w.log[logged:], func(s string) bool { return strings.HasPrefix(s, "reauth") }) {
		t.Errorf("log %v", w.log[logged:])
	}
}

func TestPathChangedAndPathMTU(t *testing.T) {
	w := sampleUp(t)
	to := netip.MustParseAddrPort("192.0.2.1:4510")
	w.m.PathChanged(w.done[0], netip.MustParseAddrPort("192.0.2.100:4500"), to, packet.EncapUDP, w.now)
	w.m.PathMTU(sa.Network, ip("192.0.2.1"), 1400, w.now)
	w.m.PathMTU(sa.Network, ip("192.0.2.1"), 1450, w.now) // never raised
	w.m.PathMTU(w.done[0], ip("198.51.100.1"), 10, w.now) // not believed below 576
	w.take()
	b := w.m.View().Decide(web).Bundle
	if b.Remote != to {
		t.Errorf("ESP goes to %v", b.Remote)
	}
	layers := w.m.Chains()[0].Layers
	if layers[0].MTU != 1338 || layers[1].MTU != OuterMTU(576).Inner(w.nodes[w.done[1]].wrapping()) || b.MTU != layers[3].MTU {
		t.Errorf("MTUs %d %d %d, bundle %d", layers[0].MTU, layers[1].MTU, layers[3].MTU, b.MTU)
	}
}

// While sg3 is being repaired sg2 dies as well: sg1 alone is kept.
func TestSecondLossDuringRepair(t *testing.T) {
	w := sampleUp(t)
	_ = w.m.Up("web", w.now)
	w.Lost(w.done[2])
	w.settle()
	w.Lost(w.done[1])
	w.settle()
	if s := w.m.Chains()[0]; s.State != Degraded || s.FailedLayer != 2 || !slices.Equal(w.in(standing), w.done[:1]) {
		t.Fatalf("%v, failed layer %d, layers up: %v", s.State, s.FailedLayer, w.in(standing))
	}
}

// A chain that comes up only to be lost again waits longer each time.
func TestFlappingBacksOff(t *testing.T) {
	w := sampleUp(t)
	_ = w.m.Up("web", w.now)
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		w.Lost(w.in(standing)[len(w.in(standing))-1])
		w.settle()
		if got := w.m.Next().Sub(w.now); got != want {
			t.Fatalf("wait %v, want %v", got, want)
		}
		w.Tick(want)
		w.settle()
	}
	w.Tick(time.Hour)
	w.Lost(w.in(standing)[len(w.in(standing))-1])
	w.settle()
	if got := w.m.Next().Sub(w.now); got != time.Second {
		t.Fatalf("after an hour up: wait %v", got)
	}
}

func TestTwoAssociationsWithOnePeer(t *testing.T) {
	rule := func(name string, port uint16) policy.TransportRule {
		return policy.TransportRule{Name: name, Action: policy.Protect, Peer: "p",
			Match: policy.Match{Dst: pfx("10.0.0.7"), DstPorts: []policy.Ports{{Lo: port, Hi: port}}}}
	}
	tables := policy.NewTables([]policy.TransportRule{rule("a", 1), rule("b", 2)}, nil, policy.Discard)
	opt := sampleOptions()
	opt.Resolver = NewResolver(tables, []Peer{{Name: "p", Addrs: []netip.Addr{ip("10.0.0.7")}, Suite: testSuite}}, 0)
	w := newWorld(t, opt)
	w.Need(tcp("10.0.0.7", 1))
	w.Need(tcp("10.0.0.7", 2))
	w.settle()
	if len(w.done) != 2 || w.state("a") != Up || w.state("b") != Up {
		t.Fatalf("%d associations, a is %v, b is %v", len(w.done), w.state("a"), w.state("b"))
	}
	if got, want := policy.FormatSelectors(w.nodes[w.done[1]].RemoteTS), "10.0.0.7[any/2]"; got != want {
		t.Errorf("b proposed %s, want %s", got, want)
	}
}

// A chain that is to be up from the start goes when it is idle, and waits for
// traffic then. A packet that comes while it goes has it built again.
func TestIdleEndsAndTrafficBegins(t *testing.T) {
	opt := sampleOptions()
	rules := slices.Clone(opt.Resolver.Tables().Transports())
	rules[1].Start = policy.Now
	opt.Resolver.tables = policy.NewTables(rules, opt.Resolver.Tables().Tunnels(), policy.Discard)
	w := newWorld(t, opt)
	w.Tick(0)
	if n := w.nodes[w.in(building)[0]]; n.LocalTS != nil || policy.FormatSelectors(n.RemoteTS) != "0.0.0.0/0,::/0" {
		t.Errorf("proposed %v, %v", n.LocalTS, n.RemoteTS)
	}
	w.settle()
	w.Tick(10 * time.Minute)
	w.settle()
	w.Tick(time.Hour)
	if w.state("rest") != Idle || !w.m.Empty() {
		t.Fatalf("rest is %v", w.state("rest"))
	}
	w.Need(tcp("203.0.113.9", 80))
	w.settle()
	w.Tick(10 * time.Minute)
	w.Need(tcp("203.0.113.9", 80))
	if w.state("rest") != RollingBack {
		t.Fatalf("rest is %v", w.state("rest"))
	}
	w.settle()
	if w.state("rest") != Up {
		t.Fatalf("rest is %v, a packet waits for it", w.state("rest"))
	}
}

// Who waits for a silent peer hears of it, and of nothing that was given up.
func TestWaitingIsToldWhileALayerIsBuilt(t *testing.T) {
	w := newWorld(t, sampleOptions())
	w.Need(web)
	id := w.in(building)[0]
	waiting := func() []Command {
		w.m.Waiting(id, "no answer yet, try 2 of 5")
		return w.m.Take()
	}
	want := Event{Kind: LayerRetry, Chain: "web", Layer: 1, ID: id, Peer: "sg1", State: Establishing, Reason: "no answer yet, try 2 of 5"}
	if got := waiting(); len(got) != 1 || got[0] != Command(want) {
		t.Errorf("while it is built: %+v, want %+v", got, want)
	}
	w.Done(id)
	if got := waiting(); len(got) != 0 {
		t.Errorf("when it is up: %+v", got)
	}
	w.Failed(w.in(building)[0])
	if got := waiting(); len(got) != 0 {
		t.Errorf("when it is on its way out: %+v", got)
	}
}
