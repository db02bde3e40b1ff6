package policy

import (
	"fmt"
	"testing"

	"warren/packet"
)

var benchSizes = []int{32, 1_000, 10_000, 100_000}

// BenchmarkTransport is the cold look-up: 64k flows in turn, so that neither
// the index nor the rules stay in the nearest caches.
func BenchmarkTransport(b *testing.B) {
	for _, n := range benchSizes {
		for _, frag := range []bool{false, true} {
			b.Run(fmt.Sprintf("rules=%d/frag=%t", n, frag), func(b *testing.B) {
				g := newGenerator(1, n)
				rules := g.transports(n)
				tables, flows := NewTables(rules, nil, Discard), g.flows(rules, 1<<16)
				for i := range flows {
					flows[i].Frag = frag
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					tables.Transport(flows[i&(len(flows)-1)])
					i++
				}
			})
		}
	}
}

// BenchmarkMiss is for flows that no rule was made for.
func BenchmarkMiss(b *testing.B) {
	g := newGenerator(1, 100_000)
	tables, other := NewTables(g.transports(100_000), nil, Discard), newGenerator(2, 100_000)
	flows := make([]packet.Flow, 1<<16)
	for i := range flows {
		flows[i] = other.flow(&Match{})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		tables.Transport(flows[i&(len(flows)-1)])
		i++
	}
}

// BenchmarkTunnel skips one gateway in four.
func BenchmarkTunnel(b *testing.B) {
	g := newGenerator(1, 100_000)
	rules := g.transports(100_000)
	tables, flows := NewTables(nil, tunnels(rules), Discard), g.flows(rules, 1<<16)
	skip := func(via string) bool { return via == "b" }
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		tables.Tunnel(flows[i&(len(flows)-1)], skip)
		i++
	}
}

func BenchmarkBuild(b *testing.B) {
	rules := newGenerator(1, 100_000).transports(100_000)
	b.ReportAllocs()
	for b.Loop() {
		NewTables(rules, nil, Discard)
	}
}

// BenchmarkChange is one change of 100,000 rules at a random place.
func BenchmarkChange(b *testing.B) {
	g := newGenerator(1, 100_000)
	tables := NewTables(g.transports(100_000), nil, Discard)
	changes := map[string]func(at int) *Tables{
		"insert":  func(at int) *Tables { return tables.InsertTransport(at, g.transport(at)) },
		"remove":  tables.RemoveTransport,
		"replace": func(at int) *Tables { return tables.ReplaceTransport(at, g.transport(at)) },
	}
	for name, change := range changes {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				change(g.IntN(100_000))
			}
		})
	}
}
