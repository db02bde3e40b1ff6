package classbench

import (
	"net/netip"

	"warren/packet"
)

// Flows are n, each within a random rule, or in one of ten cases nearly. Without
// rules they are any.
func (g *Generator) Flows(rules []Rule, n int) []packet.Flow {
	if len(rules) == 0 {
		rules = []Rule{{SrcPorts: anyPorts(), DstPorts: anyPorts()}}
	}
	out := make([]packet.Flow, n)
	for i := range out {
		out[i] = g.Flow(&rules[g.IntN(len(rules))])
	}
	return out
}

// Flow is within r, but has another destination in one of ten cases.
func (g *Generator) Flow(r *Rule) packet.Flow {
	v6 := r.Src.Addr().Is6() || r.Dst.Addr().Is6()
	f := packet.Flow{
		Src: g.within(r.Src, v6), Dst: g.within(r.Dst, v6), Proto: r.Proto,
		SrcPort: g.port(r.SrcPorts), DstPort: g.port(r.DstPorts),
	}
	if f.Proto == anyProto {
		f.Proto = []uint8{tcp, udp}[g.IntN(2)]
	}
	if g.IntN(10) == 0 {
		f.Dst = g.addr(v6)
	}
	return f
}

func (g *Generator) port(r Ports) uint16 { return r.Lo + uint16(g.IntN(int(r.Hi)-int(r.Lo)+1)) }

// within is an address of p, one of the networks' where p is everything.
func (g *Generator) within(p netip.Prefix, v6 bool) netip.Addr {
	a := g.addr(v6)
	if !p.IsValid() {
		return a
	}
	b, top := a.AsSlice(), p.Addr().AsSlice()
	for i := range p.Bits() {
		bit := byte(0x80) >> (i % 8)
		b[i/8] = b[i/8]&^bit | top[i/8]&bit
	}
	out, _ := netip.AddrFromSlice(b)
	return out
}
