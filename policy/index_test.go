package policy

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"warren/packet"
)

// check holds one look-up of each kind to the oracle.
func (l linear) check(t interface{ Fatalf(string, ...any) }, tables *Tables, f packet.Flow) {
	if len(tables.Transports()) != len(l.transport) || len(tables.Tunnels()) != len(l.tunnel) {
		t.Fatalf("%d and %d rules, want %d and %d", len(tables.Transports()), len(tables.Tunnels()), len(l.transport), len(l.tunnel))
	}
	for _, f.Frag = range []bool{f.Frag, !f.Frag} {
		got := -1
		if r, ok := tables.Transport(f); ok {
			got = slices.IndexFunc(tables.Transports(), func(o TransportRule) bool { return o.Name == r.Name })
		}
		if got >= 0 && &tables.Transports()[got] != first(tables.Transport(f)) {
			t.Fatalf("%+v: rule %d is a copy", f, got)
		}
		if want := l.Transport(f); got != want {
			t.Fatalf("%+v: transport rule %d, want %d", f, got, want)
		}
		for _, skipped := range []string{"", "a", "ab"} {
			skip := func(via string) bool { return strings.Contains(skipped, via) }
			got := -1
			if r, ok := tables.Tunnel(f, skip); ok {
				got = slices.IndexFunc(tables.Tunnels(), func(o TunnelRule) bool { return o.Pos == r.Pos })
			}
			if want := l.Tunnel(f, skip); got != want {
				t.Fatalf("%+v but %q: tunnel rule %d, want %d", f, skipped, got, want)
			}
		}
	}
}

func first[R any](r *R, _ bool) *R { return r }

// tunnels are rules with the matches of transport rules, through few gateways.
func tunnels(rules []TransportRule) []TunnelRule {
	out := make([]TunnelRule, len(rules))
	for i, r := range rules {
		out[i] = TunnelRule{Match: r.Match, Via: r.Name[len(r.Name)-1:], Pos: r.Name}
		if r.Action != Discard {
			out[i].Via = string('a' + rune(r.Action-1))
		}
	}
	return out
}

func TestGeneratedRules(t *testing.T) {
	for _, n := range []int{0, 1, leafSize, leafSize + 1, 100, 3000} {
		g := newGenerator(uint64(n), n)
		rules, flows := g.make(n, 400)
		l := linear{rules, tunnels(rules)}
		tables := NewTables(l.transport, l.tunnel, Discard)
		for i, f := range flows {
			if i%50 == 0 {
				f.Src = netip.IPv6Loopback() // as it is when a gateway is of the other family
			}
			l.check(t, tables, f)
		}
	}
}

// crowded draws rules that differ little, so that nodes divide by every field.
func crowded(t *rapid.T, name string) TransportRule {
	r := TransportRule{Name: name, Match: drawMatch(t, name), Action: Action(rapid.IntRange(0, 3).Draw(t, "action"))}
	if rapid.IntRange(0, 3).Draw(t, "shape") > 0 {
		lo := rapid.Uint16().Draw(t, "lo")
		r.Match = Match{DstPorts: []Ports{{lo, lo | rapid.SampledFrom([]uint16{0, 1, 15, 4095}).Draw(t, "width")}}}
	}
	if rapid.IntRange(0, 20).Draw(t, "loose") == 0 {
		for i := range uint16(maxBoxes + 1) {
			r.Match.DstPorts = append(r.Match.DstPorts, Ports{200 * i, 200*i + 1})
		}
	}
	return r
}

// TestChangesAgainstLinear inserts, removes and replaces, and holds every
// version to the oracle, the old ones too when all is done.
func TestChangesAgainstLinear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l linear
		for i := range rapid.IntRange(0, 60).Draw(t, "rules") {
			l.transport = append(l.transport, crowded(t, string(rune('A'+i))))
		}
		l.tunnel = tunnels(l.transport)
		tables := NewTables(l.transport, l.tunnel, Discard)
		versions, oracles := []*Tables{tables}, []linear{l}
		for i := range rapid.IntRange(0, 60).Draw(t, "changes") {
			r := crowded(t, string(rune(1000+i)))
			tables, l = change(t, tables, l, r)
			versions, oracles = append(versions, tables), append(oracles, l)
		}
		for range 5 {
			f := drawFlow(t)
			f.DstPort = rapid.Uint16().Draw(t, "port")
			for i, tables := range versions {
				oracles[i].check(t, tables, f)
			}
		}
	})
}

func change(t *rapid.T, tables *Tables, l linear, r TransportRule) (*Tables, linear) {
	l = linear{slices.Clone(l.transport), slices.Clone(l.tunnel)}
	at := rapid.IntRange(0, len(l.transport)).Draw(t, "at")
	via := tunnels([]TransportRule{r})[0]
	what := rapid.IntRange(0, 2).Draw(t, "what")
	switch {
	case what == 0 || at == len(l.transport):
		l.transport, l.tunnel = slices.Insert(l.transport, at, r), slices.Insert(l.tunnel, at, via)
		return tables.InsertTransport(at, r).InsertTunnel(at, via), l
	case what == 1:
		l.transport, l.tunnel = slices.Delete(l.transport, at, at+1), slices.Delete(l.tunnel, at, at+1)
		return tables.RemoveTransport(at).RemoveTunnel(at), l
	}
	l.transport[at], l.tunnel[at] = r, via
	return tables.ReplaceTransport(at, r).ReplaceTunnel(at, via), l
}

// TestRulesComeAndGo leaves nothing behind of rules that were there for a while.
func TestRulesComeAndGo(t *testing.T) {
	g := newGenerator(7, 500)
	rules := g.transports(500)
	tables := NewTables(nil, nil, Discard)
	for i, r := range rules {
		tables = tables.InsertTransport(g.IntN(i+1), r)
	}
	for n := len(rules); n > 0; n-- {
		tables = tables.RemoveTransport(g.IntN(n))
	}
	if tables.transport.index.pairs.used != 0 || len(tables.transport.free) != len(rules) {
		t.Errorf("left: %+v", tables.transport)
	}
}

// FuzzIndex makes rules and changes from a seed, and one flow from the fuzzer.
func FuzzIndex(f *testing.F) {
	f.Add(uint64(1), uint16(200), []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}, uint8(6), uint16(1024), uint16(443))
	f.Add(uint64(2), uint16(5), []byte{}, make([]byte, 16), uint8(1), uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, src, dst []byte, proto uint8, sport, dport uint16) {
		g := newGenerator(seed, 0) // few networks
		var l linear
		var flows []packet.Flow
		l.transport, flows = g.make(int(n%500), 40)
		l.tunnel = tunnels(l.transport)
		tables := NewTables(l.transport, l.tunnel, Discard)
		for i := range len(l.transport) / 20 {
			at := g.IntN(len(l.transport))
			r := g.transport(1000 + i)
			tables = tables.RemoveTransport(at).InsertTransport(at/2, r)
			l.transport = slices.Insert(slices.Delete(l.transport, at, at+1), at/2, r)
		}
		s, _ := netip.AddrFromSlice(src)
		d, _ := netip.AddrFromSlice(dst)
		l.check(t, tables, packet.Flow{Src: s, Dst: d, Proto: proto, SrcPort: sport, DstPort: dport})
		for _, f := range flows {
			l.check(t, tables, f)
		}
	})
}

func TestIndexedLookUpsAllocateNothing(t *testing.T) {
	g := newGenerator(3, 2000)
	rules, flows := g.make(2000, 100)
	tables := NewTables(rules, tunnels(rules), Discard)
	skipped := string(rune('a' + rand.IntN(2)))
	skip := func(via string) bool { return via == skipped }
	if n := testing.AllocsPerRun(10, func() {
		for _, f := range flows {
			tables.Transport(f)
			tables.Tunnel(f, skip)
			f.Frag = true
			tables.Transport(f)
			tables.Tunnel(f, skip)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMemoryPerRule prints what the package doc states.
func TestMemoryPerRule(t *testing.T) {
	const n = 20_000
	rules := newGenerator(1, n).transports(n)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	table := newTable(rules, kind[TransportRule]{matchOfTransport, classOfTransport})
	copied := heap()
	table.index = nil
	without := heap()
	t.Logf("%d bytes per rule in the index, %d for the rule and its place", (copied-without)/n, (without-before)/n)
	runtime.KeepAlive(rules)
	runtime.KeepAlive(table)
}
