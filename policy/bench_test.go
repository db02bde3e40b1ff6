package policy

import (
	"fmt"
	"testing"

	"warren/packet"
)

// BenchmarkLookup is the cold look-up: 64k flows in turn, so that neither the index
// nor the rules stay in the nearest caches. Tunnel rules skip one gateway in four.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{32, 1_000, 10_000, 100_000} {
		rules, flows := newGenerator(1, n).make(n, 1<<16)
		tables := NewTables(rules, tunnels(rules), Discard)
		skip := func(via string) bool { return via == "b" }
		for name, look := range map[string]func(f packet.Flow){
			"transport": func(f packet.Flow) { tables.Transport(f) },
			"tunnel":    func(f packet.Flow) { tables.Tunnel(f, skip) },
			"fragment":  func(f packet.Flow) { f.Frag = true; tables.Transport(f) },
		} {
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					look(flows[i&(len(flows)-1)])
					i++
				}
			})
		}
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
