package config

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"warren/nest"
	"warren/packet"
	"warren/policy"
)

// maxProbes bounds the flows that the rules are tried with.
const maxProbes = 50_000

// minInner is what IPv6 asks of every link (RFC 8200, Section 5).
const minInner = 1280

// checkChains tries the rules with flows that stand for all: around the ends of
// every prefix and at every peer, with the protocols and ports that rules ask
// for. It reports cycles, chains that are too deep, selectors that do not cover
// the next gateway, and small MTUs, each once.
func (b *builder) checkChains() {
	resolver := b.Resolver()
	c := chainChecker{builder: b, resolver: resolver, said: map[string]bool{}, chains: map[nest.Key]bool{}}
	for _, f := range b.probes() {
		res, err := resolver.Resolve(f)
		switch {
		case err != nil:
			c.refused(err)
		case res.Verdict == nest.ResolvedChain:
			c.chain(f, res)
		}
	}
	c.startable()
}

type chainChecker struct {
	*builder
	resolver *nest.Resolver
	said     map[string]bool
	chains   map[nest.Key]bool
}

// once reports whether the problem called key is new.
func (c *chainChecker) once(key string) bool {
	if c.said[key] {
		return false
	}
	c.said[key] = true
	return true
}

func (c *chainChecker) refused(err error) {
	var cycle *nest.CycleError
	var depth *nest.DepthError
	switch {
	case errors.As(err, &cycle):
		last := cycle.Steps[len(cycle.Steps)-1]
		if c.once("cycle " + last.Pos) {
			c.fail(placeAt(last.Pos), "narrow this rule's match, so that the packets to "+last.Before.Dst.String()+" do not match it",
				"cycle: gateway %s would be reached through itself: %s", cycle.Gateway, c.trail(cycle.Steps))
		}
	case errors.As(err, &depth):
		last := depth.Steps[len(depth.Steps)-1]
		if c.once("depth " + last.Pos) {
			c.fail(placeAt(last.Pos), "use fewer gateways, or raise limits.depth (at most 8)",
				"more than %d tunnels: %s", depth.Limit, c.trail(depth.Steps))
		}
	}
}

// trail is "rest (line 24), via sg3 (line 27)".
func (c *chainChecker) trail(steps []nest.Step) string {
	var words []string
	for _, s := range steps {
		words = append(words, s.Rule+" (line "+lineOf(s.Pos)+")")
	}
	return strings.Join(words, ", ")
}

func lineOf(pos string) string {
	rest, _, _ := cutLast(pos, ":")
	_, line, _ := cutLast(rest, ":")
	return line
}

// chain checks what one pending stack will need.
func (c *chainChecker) chain(f packet.Flow, res nest.Resolution) {
	actions := res.Pending.Actions()
	for i, a := range actions {
		if a.Kind != nest.TunnelAction {
			continue
		}
		target, what := f.Dst, "which transport rule "+res.Rule.Name+" sends through it"
		if i+1 < len(actions) {
			target, what = actions[i+1].Addr, "the address of "+actions[i+1].Peer+", which is reached through it"
		}
		c.covers(a.Peer, target, what)
	}
	if !c.chains[res.Key] {
		c.chains[res.Key] = true
		c.mtu(res.Rule, actions)
	}
}

func (c *chainChecker) covers(peer string, target netip.Addr, what string) {
	p := c.Peer(peer)
	if policy.CoversAddr(p.RemoteTS, target) || !c.once("ts "+peer+what) {
		return
	}
	c.fail(c.placeOfKey(p, "remote_ts", p.Pos), "add "+netip.PrefixFrom(target, target.BitLen()).String()+" to remote_ts of "+peer,
		"remote_ts of peer %s is %s, which does not cover %s, %s", peer, policy.FormatSelectors(p.RemoteTS), target, what)
}

// mtu warns where a chain leaves less than IPv6 needs.
func (c *chainChecker) mtu(rule *policy.TransportRule, actions []nest.Action) {
	mtu := nest.DefaultPathMTU
	for _, a := range actions {
		p := c.resolver.Peer(a.Peer)
		mtu = mtu.Inner(nest.Wrapping{Mode: a.Kind.Mode(), Suite: p.Suite, Encap: p.Encap, IPv6: a.Addr.Is6()}).Outer()
	}
	if mtu < minInner && c.once("mtu "+rule.Name) {
		c.warn(placeAt(rule.Pos), "use fewer layers, encap: esp for inner ones, or a path with a larger MTU",
			"chain %s leaves an MTU of %d on a path of %d: IPv6 needs %d", rule.Name, mtu, nest.DefaultPathMTU, minInner)
	}
}

// startable warns of rules that want a chain at start but lead to none.
func (c *chainChecker) startable() {
	for _, r := range c.Transport {
		if r.Action != policy.Plain {
			continue
		}
		found := false
		for key := range c.chains {
			found = found || strings.HasPrefix(string(key), r.Name+"|")
		}
		if !found && c.once("plain "+r.Name) && !c.failed() {
			c.warn(placeAt(r.Pos), "add a tunnel rule for its destinations, or write action: bypass",
				"transport rule %s is plain, but no tunnel rule takes its packets: they leave as they are", r.Name)
		}
	}
}

func (c *chainChecker) failed() bool { return len(c.problems.Errors()) > 0 }

// probes are flows that stand for all that the rules distinguish.
func (b *builder) probes() []packet.Flow {
	var out []packet.Flow
	traffic := b.probeTraffic()
	for _, dst := range b.probeAddrs(func(m policy.Match) []netip.Prefix { return m.Dst }) {
		for _, src := range b.probeSources(dst.Is6()) {
			for _, t := range traffic {
				if len(out) == maxProbes {
					return out
				}
				t.Src, t.Dst = src, dst
				out = append(out, t)
			}
		}
	}
	return out
}

func (b *builder) matches() []policy.Match {
	var out []policy.Match
	for _, r := range b.Transport {
		out = append(out, r.Match)
	}
	for _, r := range b.Tunnel {
		out = append(out, r.Match)
	}
	return out
}

// probeAddrs are the peers' addresses, and the first and the last address of
// each prefix with their neighbours outside.
func (b *builder) probeAddrs(side func(policy.Match) []netip.Prefix) []netip.Addr {
	var out []netip.Addr
	add := func(a netip.Addr) {
		if a.IsValid() && !a.IsUnspecified() && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	for _, p := range b.Peers {
		for _, a := range p.Addrs {
			add(a)
		}
	}
	for _, m := range b.matches() {
		for _, p := range side(m) {
			s := policy.PrefixSelector(p)
			for _, a := range []netip.Addr{s.From, s.From.Next(), s.To, s.To.Prev(), s.From.Prev(), s.To.Next()} {
				add(a)
			}
		}
	}
	add(netip.MustParseAddr("198.18.0.1"))
	add(netip.MustParseAddr("2001:2::1")) // for rules without a destination
	return out
}

func (b *builder) probeSources(v6 bool) []netip.Addr {
	out := []netip.Addr{b.likelySource(v6)}
	for _, m := range b.matches() {
		for _, p := range m.Src {
			if a := p.Masked().Addr(); a.Is6() == v6 && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// probeTraffic are the protocols and ports that rules ask for, and some that
// none does.
func (b *builder) probeTraffic() []packet.Flow {
	out := []packet.Flow{{Proto: 6, SrcPort: 49152, DstPort: 9}, {Proto: 1}}
	for _, m := range b.matches() {
		protos := m.Proto
		if len(protos) == 0 {
			protos = []uint8{6}
		}
		for _, proto := range protos {
			f := packet.Flow{Proto: proto}
			if HasPorts(proto) {
				f.SrcPort, f.DstPort = firstPort(m.SrcPorts, 49152), firstPort(m.DstPorts, 9)
			}
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}

func firstPort(ports []policy.Ports, other uint16) uint16 {
	if len(ports) == 0 {
		return other
	}
	return ports[0].Lo
}
