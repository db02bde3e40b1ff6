package classbench

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// A Rule is a 5-tuple of ranges. A prefix that is not valid stands for
// everything, and so does the protocol 0.
type Rule struct {
	Src, Dst           netip.Prefix
	SrcPorts, DstPorts Ports
	Proto              uint8
}

// Ports is an inclusive range.
type Ports struct{ Lo, Hi uint16 }

// Prefixes is p as a list in which nothing stands for everything.
func Prefixes(p netip.Prefix) []netip.Prefix { return unless(!p.IsValid(), p) }

// Protos is such a list of the protocol of r.
func (r *Rule) Protos() []uint8 { return unless(r.Proto == anyProto, r.Proto) }

// Ranges is such a list of p, in a type of the caller's.
func Ranges[T ~struct{ Lo, Hi uint16 }](p Ports) []T { return unless(p == anyPorts(), T(p)) }

func unless[T any](everything bool, v T) []T {
	if everything {
		return nil
	}
	return []T{v}
}

// A Generator makes rules and flows of one seed, always the same for the same
// random numbers.
type Generator struct {
	*rand.Rand
	seed Seed
	ipv6 int
	zipf map[int]*rand.Zipf
	base uint64       // of all addresses
	last map[int]Rule // of each part
	size int
}

// Options say what a Generator makes.
type Options struct {
	Seed Seed
	IPv6 int // percent of the rules
	Size int // how many rules are to be made, which says how many networks there are
}

// New returns a Generator that draws from random.
func New(o Options, random rand.Source) *Generator {
	g := &Generator{Rand: rand.New(random), seed: o.Seed, ipv6: o.IPv6, size: o.Size, zipf: make(map[int]*rand.Zipf), last: make(map[int]Rule)}
	g.base = g.Uint64()
	return g
}

// Rules are n different ones, narrow before wide as their authors would have
// them, since one for everything in front would hide all others.
func (g *Generator) Rules(n int) []Rule {
	seen := make(map[Rule]bool, n)
	rules := make([]Rule, 0, n)
	for len(rules) < n {
		if r := g.Rule(); !seen[r] {
			seen[r] = true
			rules = append(rules, r)
		}
	}
	slices.SortStableFunc(rules, func(a, b Rule) int { return cmp.Compare(b.width(), a.width()) })
	return rules
}

// width is how much r asks for, in coarse steps, so that wide and narrow ones mix.
func (r *Rule) width() int {
	bits := 0
	for _, p := range []netip.Prefix{r.Src, r.Dst} {
		if p.IsValid() {
			bits += p.Bits() * 32 / p.Addr().BitLen()
		}
	}
	for _, p := range []Ports{r.SrcPorts, r.DstPorts} {
		if p.Hi-p.Lo < math.MaxUint16 {
			bits += 8
		}
	}
	if r.Proto != anyProto {
		bits += 8
	}
	return bits / 16
}

// Rule is a random one, often between the addresses of the one before.
func (g *Generator) Rule() Rule {
	n := g.IntN(len(g.seed.parts))
	p := &g.seed.parts[n]
	r, again := g.last[n]
	if !again || g.IntN(100) >= p.repeat {
		lengths, v6 := pick(g, p.pairs, func(p pair) int { return p.share }), g.IntN(100) < g.ipv6
		r.Src, r.Dst = g.prefix(lengths.src, v6), g.prefix(lengths.dst, v6)
	}
	k := pick(g, p.kinds, func(k kind) int { return k.share })
	r.SrcPorts, r.DstPorts, r.Proto = g.ports(k.src), g.ports(k.dst), k.proto
	g.last[n] = r
	return r
}

// pick is one of list by shares of 100.
func pick[T any](g *Generator, list []T, share func(T) int) T {
	n := g.IntN(100)
	for _, v := range list {
		if n -= share(v); n < 0 {
			return v
		}
	}
	return list[len(list)-1]
}
