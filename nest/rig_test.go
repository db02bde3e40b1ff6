package nest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

var testSuite = esp.Suite{Cipher: esp.AES128GCM16, ESN: true}

// fataler is *testing.T or *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// A world is the far side of a Manager: it keeps what was asked for, answers
// when a test says so, and refuses commands that no order of events justifies.
type world struct {
	t     fataler
	m     *Manager
	now   time.Time
	nodes map[sa.Layer]*Node
	is    map[sa.Layer]nodeState
	done  []sa.Layer // in the order of Done
	log   []string   // commands and events, in words
	view  *View
}

func newWorld(t fataler, opt Options) *world {
	w := &world{t: t, now: time.Unix(1000, 0), nodes: map[sa.Layer]*Node{}, is: map[sa.Layer]nodeState{}}
	w.m = NewManager(opt)
	w.take()
	return w
}

// take carries out the Manager's commands.
func (w *world) take() {
	w.t.Helper()
	commands := w.m.Take()
	w.bury()
	for i, c := range commands {
		switch c := c.(type) {
		case Publish:
			w.view = w.m.View()
		case Establish:
			w.establish(c.Node)
			if e, ok := commands[i-1].(Event); !ok || e.Kind != LayerStart || e.ID != c.Node.ID || e.State != Establishing {
				w.t.Fatalf("%v is to be established without a word: %+v", c.Node.Action, commands[i-1])
			}
		case TearDown:
			w.tearDown(c)
		case Event:
			if c.Kind == LayerStart {
				continue // as good as the Establish after it
			}
			w.say("%s %s %d %s", c.Kind, c.Chain, c.Layer, c.Peer)
		case Release:
			w.say("release")
		case Refuse:
			w.say("refuse")
		}
	}
	w.check()
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (w *world) establish(n *Node) {
	w.t.Helper()
	if n.Parent != nil {
		if s, ok := w.is[n.Parent.ID]; !ok || s != standing {
			w.t.Fatalf("layer %d (%v) is to be established before layer %d is up", n.ID, n.Action, n.Parent.ID)
		}
		if w.view.Bundle(n.Via()) == nil {
			w.t.Fatalf("no bundle to carry IKE for %v", n.Action)
		}
	}
	for id, o := range w.nodes {
		if o.Parent == n.Parent && o.Action == n.Action {
			w.t.Fatalf("%v is built a second time: layer %d is %d", n.Action, id, w.is[id])
		}
	}
	w.nodes[n.ID], w.is[n.ID] = n, building
	w.say("establish %d %s", n.Depth, n.Action.Peer)
}

func (w *world) tearDown(c TearDown) {
	w.t.Helper()
	state, ok := w.is[c.Layer]
	if !ok {
		w.t.Fatalf("tear-down of layer %d, which is not there", c.Layer)
	}
	if state == leaving && c.Reachable {
		w.t.Fatalf("second tear-down of layer %d", c.Layer)
	}
	for id, o := range w.nodes {
		if o.Parent == w.nodes[c.Layer] {
			w.t.Fatalf("layer %d is torn down before layer %d inside it is gone", c.Layer, id)
		}
	}
	for p := w.nodes[c.Layer].Parent; p != nil; p = p.Parent {
		if c.Reachable == (w.is[p.ID] == lost) && c.Reachable {
			w.t.Fatalf("layer %d is called reachable through the lost layer %d", c.Layer, p.ID)
		}
	}
	w.is[c.Layer] = leaving
	w.say("teardown %d %s reachable=%t", w.nodes[c.Layer].Depth, c.Peer, c.Reachable)
}

// in is the layers in a state, lowest first.
func (w *world) in(s nodeState) []sa.Layer {
	var out []sa.Layer
	for id, state := range w.is {
		if state == s {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) forget(id sa.Layer) { delete(w.nodes, id); delete(w.is, id) }

// answer is an Established as a gateway that leases an address would give it.
func (w *world) answer(id sa.Layer) Established {
	n := w.nodes[id]
	e := Established{
		Local: n.Local, Remote: n.Action.Addr, Encap: packet.EncapUDP, Suite: testSuite,
		LocalTS: n.LocalTS, RemoteTS: n.RemoteTS, SPIIn: esp.SPI(0x1000 + id), SPIOut: esp.SPI(0x2000 + id),
		Out: new(sa.Outbound),
	}
	if n.Action.Kind == TunnelAction && n.peer.VirtualIP4 {
		e.Inner4 = netip.AddrFrom4([4]byte{10, 99, byte(n.Depth), byte(id)})
		e.LocalTS = []policy.Selector{policy.AddrSelector(e.Inner4)}
	}
	return e
}

func (w *world) doneWith(id sa.Layer, e Established) {
	w.t.Helper()
	w.is[id] = standing
	w.done = append(w.done, id)
	w.m.Done(id, e, w.now)
	w.take()
}

func (w *world) Done(id sa.Layer) { w.t.Helper(); w.doneWith(id, w.answer(id)) }

func (w *world) Failed(id sa.Layer) {
	w.t.Helper()
	w.forget(id)
	w.m.Failed(id, errors.New("no answer"), w.now)
	w.take()
}

func (w *world) Lost(id sa.Layer) {
	w.t.Helper()
	w.is[id] = lost
	w.m.Lost(id, errors.New("liveness check failed"), w.now)
	w.take()
}

func (w *world) Gone(id sa.Layer) {
	w.t.Helper()
	w.forget(id)
	w.m.Gone(id, w.now)
	w.take()
}

// bury forgets lost layers that the Manager has let go of.
func (w *world) bury() {
	for _, id := range w.in(lost) {
		if w.m.node(id) == nil {
			w.forget(id)
		}
	}
}

func (w *world) Need(f packet.Flow) Key {
	w.t.Helper()
	key, _ := w.m.Need(f, w.now)
	w.take()
	return key
}

func (w *world) Tick(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.m.Tick(w.now)
	w.take()
}

// settle answers all that is outstanding, with success.
func (w *world) settle() {
	w.t.Helper()
	for len(w.in(building))+len(w.in(leaving)) > 0 {
		for _, id := range w.in(leaving) {
			w.Gone(id)
		}
		for _, id := range w.in(building) {
			if w.is[id] == building {
				w.Done(id)
			}
		}
	}
}

// check holds the machine to what must be so at every moment.
func (w *world) check() {
	w.t.Helper()
	w.m.Chains() // at every moment there is something to show
	tree := map[sa.Layer]bool{}
	for _, n := range w.m.tree.inward() {
		tree[n.ID] = true
		if n.state != w.is[n.ID] {
			w.t.Fatalf("layer %d is %d, the world has it as %d", n.ID, n.state, w.is[n.ID])
		}
	}
	for _, c := range w.m.chains {
		w.checkChain(c, tree)
	}
}

func (w *world) checkChain(c *chain, tree map[sa.Layer]bool) {
	w.t.Helper()
	var parent *Node
	for _, n := range c.completed.nodes {
		if n.Parent != parent || !slices.Contains(n.refs, c) || n.state != standing || !tree[n.ID] {
			w.t.Fatalf("%s: layer %d on the completed stack is no layer of it", c.name, n.ID)
		}
		parent = n
	}
	if c.gone && c.state != RollingBack {
		w.t.Fatalf("%s is not wanted any more, and is %v", c.name, c.state)
	}
	res, err := w.m.opt.Resolver.Resolve(c.flow)
	if c.gone {
		return
	}
	if err != nil || c.depth() != res.Pending.Len() {
		w.t.Fatalf("%s has %d actions, %d were resolved", c.name, c.depth(), res.Pending.Len())
	}
	for i, a := range res.Pending.Actions() {
		if c.actionAt(i+1) != a {
			w.t.Fatalf("%s: action %d is %v, was %v", c.name, i+1, c.actionAt(i+1), a)
		}
	}
	outstanding := len(w.in(leaving)) > 0
	switch {
	case c.state == Up && c.pending.Len() > 0:
		w.t.Fatalf("%s is up with %d actions pending", c.name, c.pending.Len())
	case c.state == Establishing && (c.waiting == nil || w.is[c.waiting.ID] != building):
		w.t.Fatalf("%s is establishing, and nothing is under way for it", c.name)
	case c.state == Pending && !outstanding:
		w.t.Fatalf("%s is pending, and nothing is on its way out", c.name)
	case c.state == RollingBack && !outstanding:
		w.t.Fatalf("%s is rolling back, and nothing is on its way out", c.name)
	case (c.state == Idle || c.state == Failed) && c.completed.Len() > 0:
		w.t.Fatalf("%s is %v and holds %d layers", c.name, c.state, c.completed.Len())
	}
	if v := w.m.View().chains[c.key].verdict; (v == Send) != (c.state == Up) {
		w.t.Fatalf("%s is %v, and its packets get %v", c.name, c.state, v)
	}
}

// referenced is the layers on completed stacks.
func (w *world) referenced() []sa.Layer {
	set := map[sa.Layer]bool{}
	for _, c := range w.m.chains {
		for _, n := range c.completed.nodes {
			set[n.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (w *world) state(name string) State {
	w.t.Helper()
	for _, c := range w.m.Chains() {
		if c.Name == name {
			return c.State
		}
	}
	w.t.Fatalf("no chain %s", name)
	return 0
}

// drainLog returns what was said since the last call.
func (w *world) drainLog() []string {
	out := w.log
	w.log = nil
	return out
}

func wantLog(t *testing.T, w *world, want ...string) {
	t.Helper()
	if got := w.drainLog(); !slices.Equal(got, want) {
		t.Fatalf("log:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func pfx(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		if !strings.Contains(p, "/") {
			a := ip(p)
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func dst(s ...string) policy.Match { return policy.Match{Dst: pfx(s...)} }

func tcp(dst string, port uint16) packet.Flow {
	return packet.Flow{Src: ip("10.200.0.1"), Dst: ip(dst), Proto: 6, SrcPort: 40000, DstPort: port}
}

// sample is the config of DESIGN, section 7.
func sampleResolver() *Resolver {
	tables := policy.NewTables(
		[]policy.TransportRule{
			{Name: "web", Match: policy.Match{Dst: pfx("203.0.113.77"), Proto: []uint8{6}, DstPorts: []policy.Ports{{Lo: 443, Hi: 443}, {Lo: 5000, Hi: 5999}}}, Action: policy.Protect, Peer: "bob", Pos: "alice.yaml:28:7"},
			{Name: "rest", Match: dst("203.0.113.0/24"), Action: policy.Plain, Idle: 10 * time.Minute, Pos: "alice.yaml:29:7"},
			{Name: "lan", Match: dst("192.168.0.0/16"), Action: policy.Bypass, Pos: "alice.yaml:30:7"},
		},
		[]policy.TunnelRule{
			{Match: dst("203.0.113.0/24"), Via: "sg3", Pos: "alice.yaml:32:7"},
			{Match: dst("203.0.113.1"), Via: "sg2", Pos: "alice.yaml:33:7"},
			{Match: dst("198.51.100.1"), Via: "sg1", Pos: "alice.yaml:34:7"},
		}, policy.Discard)
	return NewResolver(tables, []Peer{
		{Name: "sg1", Addrs: []netip.Addr{ip("192.0.2.1")}, VirtualIP4: true, Encap: packet.EncapUDP, Suite: testSuite},
		{Name: "sg2", Addrs: []netip.Addr{ip("198.51.100.1")}, VirtualIP4: true, Encap: packet.EncapUDP, Suite: testSuite},
		{Name: "sg3", Addrs: []netip.Addr{ip("203.0.113.1")}, VirtualIP4: true, Encap: packet.EncapUDP, Suite: testSuite},
		{Name: "bob", Addrs: []netip.Addr{ip("203.0.113.77")}, Encap: packet.EncapUDP, Suite: testSuite},
	}, 0)
}

func sampleOptions() Options {
	return Options{
		Resolver: sampleResolver(), Own4: ip("10.200.0.1"),
		Source: func(netip.Addr) netip.Addr { return ip("192.0.2.100") },
	}
}
