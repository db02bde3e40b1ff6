package policy

import (
	"net/netip"
	"slices"
)

// A Shadow is a rule that no flow can reach.
type Shadow struct {
	Tunnel bool   // a tunnel rule, else a transport rule
	Index  int    // its place in its table
	Rule   string // its name, or "via <gateway>"
	Pos    string
	By     string // the earlier rule that takes all its flows, named alike; empty if it matches nothing by itself
	ByPos  string
}

// Unreachable are the rules that can never win: those that one earlier rule
// covers whole, and those whose source and destination share no address family.
// gateway gives the addresses of a peer: a tunnel rule passes its own gateway's
// addresses by, so it hides no later rule for those. A nil gateway knows none.
//
// Rules hidden only by several earlier ones together are not found.
func (t *Tables) Unreachable(gateway func(peer string) []netip.Addr) []Shadow {
	var out []Shadow
	rules := t.Transports()
	for i := range rules {
		r := &rules[i]
		s := Shadow{Index: i, Rule: r.Name, Pos: r.Pos}
		if j := slices.IndexFunc(rules[:i], func(e TransportRule) bool { return e.Match.covers(&r.Match) }); j >= 0 {
			s.By, s.ByPos = rules[j].Name, rules[j].Pos
			out = append(out, s)
		} else if r.Match.impossible() {
			out = append(out, s)
		}
	}
	return append(out, t.unreachableTunnels(gateway)...)
}

func (t *Tables) unreachableTunnels(gateway func(peer string) []netip.Addr) []Shadow {
	var out []Shadow
	rules := t.Tunnels()
	for i := range rules {
		r := &rules[i]
		hides := func(e TunnelRule) bool {
			return e.Match.covers(&r.Match) && !r.Match.reaches(gateway, e.Via)
		}
		s := Shadow{Tunnel: true, Index: i, Rule: "via " + r.Via, Pos: r.Pos}
		if j := slices.IndexFunc(rules[:i], hides); j >= 0 {
			s.By, s.ByPos = "via "+rules[j].Via, rules[j].Pos
			out = append(out, s)
		} else if r.Match.impossible() {
			out = append(out, s)
		}
	}
	return out
}

// reaches reports whether m matches flows to one of the peer's addresses.
func (m *Match) reaches(gateway func(peer string) []netip.Addr, peer string) bool {
	if gateway == nil {
		return false
	}
	return slices.ContainsFunc(gateway(peer), func(a netip.Addr) bool { return inPrefixes(m.Dst, a) })
}

// impossible reports whether no flow can match m, since its sources and its
// destinations have no address family in common.
func (m *Match) impossible() bool {
	src4, src6 := families(m.Src)
	dst4, dst6 := families(m.Dst)
	return !(src4 && dst4) && !(src6 && dst6)
}

func families(ps []netip.Prefix) (v4, v6 bool) {
	if len(ps) == 0 {
		return true, true
	}
	for _, p := range ps {
		v4 = v4 || p.Addr().Is4()
		v6 = v6 || !p.Addr().Is4()
	}
	return v4, v6
}

// covers reports whether every flow that matches o matches m.
func (m *Match) covers(o *Match) bool {
	return CoversAll(addresses(m.Src), addresses(o.Src)) &&
		CoversAll(addresses(m.Dst), addresses(o.Dst)) &&
		coversProtos(m.Proto, o.Proto) &&
		coversPorts(m.SrcPorts, o.SrcPorts) &&
		coversPorts(m.DstPorts, o.DstPorts)
}

func addresses(ps []netip.Prefix) []Selector {
	if len(ps) == 0 {
		return Everything()
	}
	return PrefixSelectors(ps)
}

func coversProtos(protos, want []uint8) bool {
	if len(protos) == 0 {
		return true
	}
	missing := func(p uint8) bool { return !slices.Contains(protos, p) }
	return len(want) > 0 && !slices.ContainsFunc(want, missing)
}

func coversPorts(ranges, want []Ports) bool {
	if len(ranges) == 0 {
		return true
	}
	return len(want) > 0 && CoversAll(portSelectors(ranges), portSelectors(want))
}

// portSelectors puts ranges on one address, so that CoversSelector can do the
// sums.
func portSelectors(ranges []Ports) []Selector {
	sel := make([]Selector, len(ranges))
	for i, r := range ranges {
		sel[i] = AddrSelector(netip.IPv4Unspecified())
		sel[i].Ports = r
	}
	return sel
}
