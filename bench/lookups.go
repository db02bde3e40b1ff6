package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"warren/bench/classbench"
	"warren/packet"
	"warren/policy"
)

// LookupOptions say how much of looking rules up is measured. The zero value is a
// full run, some five minutes, most of which dpdk-test-acl takes to build.
type LookupOptions struct {
	// Rounds is how often each figure is measured. Zero means 5.
	Rounds int
	// Sizes are numbers of rules. None means 1,000, 10,000 and 100,000.
	Sizes []int
	// Dir is where files for dpdk-test-acl go.
	Dir string
	// Progress gets a line for each set of rules. Nil discards them.
	Progress io.Writer
}

func (o LookupOptions) withDefaults() LookupOptions {
	o.Rounds = cmp.Or(o.Rounds, 5)
	if len(o.Sizes) == 0 {
		o.Sizes = []int{1_000, 10_000, 100_000}
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// A Lookups is what was measured of one set of rules.
type Lookups struct {
	Seed  string
	IPv6  int // percent
	Rules int

	// Nanoseconds per look-up: of transport rules, of tunnel rules with one gateway
	// in four passed by, and of transport rules for fragments without ports.
	Transport, Tunnel, Fragment Summary

	Build  float64 // seconds
	Change Summary // milliseconds, of inserting or removing one rule
	Bytes  float64 // per rule, with the rule itself

	// ACL is dpdk-test-acl with the same rules and flows, by algorithm.
	ACL []ACLResult
}

// flowsLen is how many flows are looked up in turn, so that what one needs has
// left the nearest caches when it comes again.
const flowsLen = 1 << 16

// MeasureLookups measures all seeds and sizes, and dpdk-test-acl beside where it is
// installed. It holds every first match of the smaller sets to its.
func MeasureLookups(ctx context.Context, o LookupOptions) ([]Lookups, error) {
	o = o.withDefaults()
	var all []Lookups
	for _, size := range o.Sizes {
		for _, seed := range classbench.Seeds() {
			l, err := measureSet(ctx, o, newRuleSet(seed, size, 0))
			if err != nil {
				return all, err
			}
			all = append(all, l)
			fmt.Fprintln(o.Progress, l.line())
		}
		const oneInFive = 20
		l := newRuleSet(classbench.Mix(), size, oneInFive).measure(o.Rounds)
		all = append(all, l)
		fmt.Fprintln(o.Progress, l.line())
	}
	return all, nil
}

func measureSet(ctx context.Context, o LookupOptions, s *ruleSet) (Lookups, error) {
	l := s.measure(o.Rounds)
	if !hasACL() {
		return l, ctx.Err()
	}
	var err error
	l.ACL, err = s.measureACL(ctx, o)
	return l, err
}

func (l *Lookups) line() string {
	out := fmt.Sprintf("%-4s %7d rules, %d %% IPv6: transport %s ns, tunnel %s ns", l.Seed, l.Rules, l.IPv6, number(l.Transport.Median), number(l.Tunnel.Median))
	for _, a := range l.ACL {
		out += fmt.Sprintf(", %s %s ns", a.Algorithm, number(a.Lookup))
	}
	return out
}

// A ruleSet is rules with flows for them.
type ruleSet struct {
	seed      string
	ipv6      int
	rules     []classbench.Rule
	flows     []packet.Flow
	transport []policy.TransportRule
	tunnel    []policy.TunnelRule
	random    *rand.Rand
}

func newRuleSet(seed classbench.Seed, size, ipv6 int) *ruleSet {
	g := classbench.New(classbench.Options{Seed: seed, IPv6: ipv6, Size: size}, rand.NewPCG(1, 1))
	s := &ruleSet{seed: seed.Name, ipv6: ipv6, rules: g.Rules(size), random: g.Rand}
	s.flows = g.Flows(s.rules, flowsLen)
	for i := range s.rules {
		r := &s.rules[i]
		m := policy.Match{
			Src: classbench.Prefixes(r.Src), Dst: classbench.Prefixes(r.Dst), Proto: r.Protos(),
			SrcPorts: classbench.Ranges[policy.Ports](r.SrcPorts), DstPorts: classbench.Ranges[policy.Ports](r.DstPorts),
		}
		s.transport = append(s.transport, policy.TransportRule{Name: strconv.Itoa(i), Match: m, Action: policy.Action(g.IntN(4))})
		s.tunnel = append(s.tunnel, policy.TunnelRule{Match: m, Via: string(rune('a' + g.IntN(4)))})
	}
	return s
}

func (s *ruleSet) measure(rounds int) Lookups {
	l := Lookups{Seed: s.seed, IPv6: s.ipv6, Rules: len(s.rules)}
	before, start := heap(), time.Now()
	tables := policy.NewTables(s.transport, nil, policy.Discard)
	l.Build = time.Since(start).Seconds()
	l.Bytes = float64(heap()-before) / float64(l.Rules)

	both := policy.NewTables(s.transport, s.tunnel, policy.Discard)
	skip := func(via string) bool { return via == "b" }
	var transport, tunnel, fragment, change []float64
	for range rounds {
		transport = append(transport, s.each(func(f packet.Flow) { both.Transport(f) }))
		tunnel = append(tunnel, s.each(func(f packet.Flow) { both.Tunnel(f, skip) }))
		fragment = append(fragment, s.each(func(f packet.Flow) { f.Frag = true; both.Transport(f) }))
		change = append(change, s.changes(tables))
	}
	l.Transport, l.Tunnel, l.Fragment, l.Change = Summarize(transport), Summarize(tunnel), Summarize(fragment), Summarize(change)
	return l
}

// heap is what is in use, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// each looks all flows up, in turn, and returns nanoseconds for one.
func (s *ruleSet) each(look func(packet.Flow)) float64 {
	const turns = 3
	runtime.GC() // not in the time, and nothing is allocated in it
	start := time.Now()
	for range turns {
		for i := range s.flows {
			look(s.flows[i])
		}
	}
	return float64(time.Since(start).Nanoseconds()) / float64(turns*len(s.flows))
}

// changes inserts and removes rules anywhere and returns milliseconds for one.
func (s *ruleSet) changes(t *policy.Tables) float64 {
	const n = 20
	start := time.Now()
	for range n / 2 {
		t.InsertTransport(s.random.IntN(len(s.rules)), s.transport[s.random.IntN(len(s.rules))])
		t.RemoveTransport(s.random.IntN(len(s.rules)))
	}
	return time.Since(start).Seconds() * 1e3 / n
}
