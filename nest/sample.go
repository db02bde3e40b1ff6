package nest

import (
	"net/netip"
	"slices"

	"warren/packet"
	"warren/policy"
)

// A sample is a flow that stands for some of what a rule matches.
type sample struct {
	rule *policy.TransportRule
	flow packet.Flow
}

// samples are flows for every transport rule that leads to chains: one for each
// of its destinations, and one for each part of them that a tunnel rule singles
// out. A flow that an earlier rule takes stands for nothing, and one to a
// gateway only for a rule about that gateway.
func (r *Resolver) samples() []sample {
	var out []sample
	rules := r.tables.Transports()
	for i := range rules {
		rule := &rules[i]
		if verdictOf(rule.Action) != ResolvedChain {
			continue
		}
		for _, dst := range r.destinations(rule) {
			f := sampleFlow(&rule.Match, dst)
			if won, ok := r.tables.Transport(f); ok && won == rule {
				out = append(out, sample{rule, f})
			}
		}
	}
	return out
}

func (r *Resolver) destinations(rule *policy.TransportRule) []netip.Addr {
	var out []netip.Addr
	add := func(a netip.Addr) {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	for _, s := range rule.Match.DstSelectors() {
		add(s.From)
		if p := r.peers[rule.Peer]; p != nil && rule.Action == policy.Protect {
			for _, a := range p.Addrs {
				if policy.CoversAddr([]policy.Selector{policy.RangeSelector(s.From, s.To)}, a) {
					add(a)
				}
			}
		}
	}
	if rule.Action == policy.Protect {
		return out
	}
	for _, t := range r.tables.Tunnels() {
		for _, p := range t.Match.Dst {
			if inside := rule.Match.DstSelectors(); policy.CoversAddr(withoutPorts(inside), p.Addr()) && !r.isGateway(p.Addr()) {
				add(p.Addr())
			}
		}
	}
	return out
}

func withoutPorts(sel []policy.Selector) []policy.Selector {
	out := make([]policy.Selector, len(sel))
	for i, s := range sel {
		out[i] = policy.RangeSelector(s.From, s.To)
	}
	return out
}

func (r *Resolver) isGateway(a netip.Addr) bool {
	return slices.ContainsFunc(r.tables.Tunnels(), func(t policy.TunnelRule) bool { return r.own(t.Via, a) })
}

// sampleFlow is a flow to dst that matches m, if any to dst does.
func sampleFlow(m *policy.Match, dst netip.Addr) packet.Flow {
	f := packet.Flow{Src: netip.IPv6Unspecified(), Dst: dst}
	if dst.Is4() {
		f.Src = netip.IPv4Unspecified()
	}
	for _, p := range m.Src {
		if p.Addr().Is4() == dst.Is4() {
			f.Src = p.Addr()
			break
		}
	}
	if len(m.Proto) > 0 {
		f.Proto = m.Proto[0]
	}
	if len(m.SrcPorts) > 0 {
		f.SrcPort = m.SrcPorts[0].Lo
	}
	if len(m.DstPorts) > 0 {
		f.DstPort = m.DstPorts[0].Lo
	}
	return f
}

// Check resolves flows that stand for the rules and returns what is wrong with
// them: cycles, chains that are too deep, rules that protect traffic to others
// than their peer. It finds what the selectors show; the rest is refused per
// flow.
func (r *Resolver) Check() []error {
	var out []error
	seen := make(map[string]bool)
	for _, s := range r.samples() {
		if _, err := r.Resolve(s.flow); err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			out = append(out, err)
		}
	}
	return out
}
