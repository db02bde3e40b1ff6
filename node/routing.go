package node

import (
	"net/netip"

	"warren/host"
	"warren/policy"
)

// policyRules are the transport rules as the kernel is to apply them, in their
// order. What the rules discard goes to the TUN as well, where it is counted;
// what no rule names stays with the system's own routes.
func policyRules(rules []policy.TransportRule) []host.PolicyRule {
	var out []host.PolicyRule
	for _, r := range rules {
		verdict := host.ToTUN
		if r.Action == policy.Bypass {
			verdict = host.Bypass
		}
		out = append(out, expand(verdict, r.Match)...)
	}
	return out
}

// expand writes a match with lists as rules with single values, leaving out
// pairs of prefixes that no packet can have.
func expand(v host.Verdict, m policy.Match) []host.PolicyRule {
	var out []host.PolicyRule
	for _, src := range orAny(m.Src) {
		for _, dst := range orAny(m.Dst) {
			if src.IsValid() && dst.IsValid() && src.Addr().Is4() != dst.Addr().Is4() {
				continue
			}
			out = append(out, expandPorts(host.PolicyRule{Verdict: v, Src: src, Dst: dst}, m)...)
		}
	}
	return out
}

func expandPorts(base host.PolicyRule, m policy.Match) []host.PolicyRule {
	var out []host.PolicyRule
	for _, proto := range orAny(m.Proto) {
		for _, sport := range orAny(m.SrcPorts) {
			for _, dport := range orAny(m.DstPorts) {
				r := base
				r.Proto, r.SrcPorts, r.DstPorts = proto, host.Ports(sport), host.Ports(dport)
				out = append(out, r)
			}
		}
	}
	return out
}

// orAny is list, or the zero value alone, which stands for everything.
func orAny[T any](list []T) []T {
	if len(list) == 0 {
		return make([]T, 1)
	}
	return list
}

// flowsOf are the packets that an association with these selectors protects, for
// the kernel: from this node to its peer.
func flowsOf(local, remote []policy.Selector) []host.PolicyRule {
	var out []host.PolicyRule
	for _, l := range local {
		for _, r := range remote {
			both, ok := protoOf(l, r)
			if !ok || l.From.Is4() != r.From.Is4() {
				continue
			}
			for _, src := range policy.Prefixes([]policy.Selector{l}) {
				for _, dst := range policy.Prefixes([]policy.Selector{r}) {
					out = append(out, host.PolicyRule{
						Verdict: host.ToTUN, Src: src, Dst: dst, Proto: both,
						SrcPorts: host.Ports(l.Ports), DstPorts: host.Ports(r.Ports),
					})
				}
			}
		}
	}
	return out
}

// protoOf is the protocol that a pair of selectors allows.
func protoOf(l, r policy.Selector) (proto uint8, ok bool) {
	if l.Proto != 0 && r.Proto != 0 && l.Proto != r.Proto {
		return 0, false
	}
	return max(l.Proto, r.Proto), true
}

// prefixesOf are the destinations behind remote selectors.
func prefixesOf(remote []policy.Selector) []netip.Prefix { return policy.Prefixes(remote) }
