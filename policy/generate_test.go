package policy

import (
	"fmt"
	"math/rand/v2"

	"warren/bench/classbench"
	"warren/packet"
)

// A generator makes rules of this package from those of ClassBench's sort, one
// in five for IPv6.
type generator struct{ *classbench.Generator }

func newGenerator(seed uint64, rules int) *generator {
	o := classbench.Options{Seed: classbench.Mix(), IPv6: 20, Size: rules}
	return &generator{classbench.New(o, rand.NewPCG(seed, 1))}
}

func matchOf(r classbench.Rule) Match {
	return Match{
		Src: classbench.Prefixes(r.Src), Dst: classbench.Prefixes(r.Dst), Proto: r.Protos(),
		SrcPorts: classbench.Ranges[Ports](r.SrcPorts), DstPorts: classbench.Ranges[Ports](r.DstPorts),
	}
}

func (g *generator) transport(i int) TransportRule { return g.named(i, g.Rule()) }

func (g *generator) named(i int, r classbench.Rule) TransportRule {
	return TransportRule{Name: fmt.Sprint(i), Match: matchOf(r), Action: Action(g.IntN(4))}
}

func (g *generator) transports(n int) []TransportRule {
	rules, _ := g.make(n, 0)
	return rules
}

// make makes rules, and flows that are within or near one of them each.
func (g *generator) make(n, flows int) ([]TransportRule, []packet.Flow) {
	made := g.Rules(n)
	rules := make([]TransportRule, n)
	for i, r := range made {
		rules[i] = g.named(i, r)
	}
	return rules, g.Flows(made, flows)
}
