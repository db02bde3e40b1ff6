package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"warren/packet"
)

// A generator makes rules such as ClassBench's seeds describe: networks nested
// in few allocations, hosts, wildcards on either side, mostly TCP and UDP, ports
// that are any, one, the high ones or a range; one in five is IPv6.
type generator struct {
	*rand.Rand
	nets [2][]netip.Addr // allocations, IPv4 and IPv6
}

func newGenerator(seed uint64, rules int) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	for range 10 + rules/20 {
		g.nets[0] = append(g.nets[0], netip.AddrFrom4([4]byte{byte(1 + g.IntN(223)), byte(g.IntN(256)), byte(g.IntN(256))}))
		g.nets[1] = append(g.nets[1], netip.AddrFrom16([16]byte{0x20, 1, byte(g.IntN(16)), byte(g.IntN(256)), byte(g.IntN(256)), byte(g.IntN(256)), 0, byte(g.IntN(256))}))
	}
	return g
}

// addr is an address in one of the allocations.
func (g *generator) addr(version int) netip.Addr {
	b := g.nets[version][g.IntN(len(g.nets[version]))].AsSlice()
	b[len(b)-1] = byte(g.Uint32())
	if g.IntN(4) == 0 {
		b[len(b)-2] ^= byte(g.Uint32())
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// pick is one of values by weights, which add up to 100.
func pick[V any](g *generator, values []V, weights ...int) V {
	n := g.IntN(100)
	for i, w := range weights {
		if n -= w; n < 0 {
			return values[i]
		}
	}
	return values[len(weights)-1]
}

// prefix is nil in any of 100 cases.
func (g *generator) prefix(version, any int) []netip.Prefix {
	if g.IntN(100) < any {
		return nil
	}
	bits := pick(g, []int{32, 24, 16, 28, 20, 8 + g.IntN(25)}, 45, 20, 8, 7, 5, 15)
	if version == 1 {
		bits = pick(g, []int{128, 64, 48, 56, 32, 24 + g.IntN(105)}, 35, 25, 12, 8, 5, 15)
	}
	p, _ := g.addr(version).Prefix(bits)
	return []netip.Prefix{p}
}

func (g *generator) ports(any int) []Ports {
	if g.IntN(100) < any {
		return nil
	}
	one, lo := uint16(g.IntN(200)*g.IntN(50)), uint16(g.IntN(60000))
	return []Ports{pick(g, []Ports{{one, one}, {1024, 65535}, {lo, lo + uint16(g.IntN(5000))}}, 65, 15, 20)}
}

func (g *generator) match() Match {
	version := pick(g, []int{0, 1}, 80, 20)
	m := Match{
		Src: g.prefix(version, 20), Dst: g.prefix(version, 8),
		Proto: pick(g, [][]uint8{{6}, {17}, {1}, {47}, nil}, 62, 20, 4, 2, 12),
	}
	if len(m.Proto) > 0 && (m.Proto[0] == 6 || m.Proto[0] == 17) {
		m.SrcPorts, m.DstPorts = g.ports(80), g.ports(30)
	}
	return m
}

func (g *generator) transport(i int) TransportRule {
	return TransportRule{Name: fmt.Sprint(i), Match: g.match(), Action: Action(g.IntN(4))}
}

func (g *generator) transports(n int) []TransportRule {
	rules := make([]TransportRule, n)
	for i := range rules {
		rules[i] = g.transport(i)
	}
	slices.SortStableFunc(rules, func(a, b TransportRule) int { return b.Match.width() - a.Match.width() })
	return rules
}

// width is how much m asks for. Rules that ask for little come last, as an
// administrator would have it: one for everything at the front would hide all
// others and make look-ups look fast.
func (m *Match) width() int {
	bits := 8*len(m.Proto) + 8*len(m.SrcPorts) + 8*len(m.DstPorts)
	for _, p := range append(slices.Clone(m.Src), m.Dst...) {
		bits += p.Bits() * 32 / p.Addr().BitLen()
	}
	return bits / 16 // in coarse steps, so that wide and narrow ones mix
}

// flow is within m, nine times in ten.
func (g *generator) flow(m *Match) packet.Flow {
	version := 0
	for _, p := range append(m.Src, m.Dst...) {
		if p.Addr().Is6() {
			version = 1
		}
	}
	f := packet.Flow{
		Src: g.within(g.addr(version), m.Src), Dst: g.within(g.addr(version), m.Dst),
		Proto: 6, SrcPort: uint16(g.Uint32()), DstPort: uint16(g.IntN(10000)),
	}
	if len(m.Proto) > 0 {
		f.Proto = m.Proto[0]
	}
	if len(m.SrcPorts) > 0 {
		f.SrcPort = g.port(m.SrcPorts[0])
	}
	if len(m.DstPorts) > 0 {
		f.DstPort = g.port(m.DstPorts[0])
	}
	if g.IntN(10) == 0 {
		f.Dst = g.addr(version)
	}
	return f
}

func (g *generator) port(r Ports) uint16 {
	return r.Lo + uint16(g.IntN(int(r.Hi)-int(r.Lo)+1))
}

// within is a with the first bits of the first of ps, if there is one.
func (g *generator) within(a netip.Addr, ps []netip.Prefix) netip.Addr {
	if len(ps) == 0 {
		return a
	}
	b, top := a.AsSlice(), ps[0].Addr().AsSlice()
	for i := range ps[0].Bits() {
		bit := byte(0x80) >> (i % 8)
		b[i/8] = b[i/8]&^bit | top[i/8]&bit
	}
	out, _ := netip.AddrFromSlice(b)
	return out
}

func (g *generator) flows(rules []TransportRule, n int) []packet.Flow {
	out := make([]packet.Flow, n)
	for i := range out {
		out[i] = g.flow(&rules[g.IntN(len(rules))].Match)
	}
	return out
}
