package nest

import (
	"reflect"
	"time"

	"warren/packet"
	"warren/policy"
)

// A Change is another configuration for a Manager that works.
type Change struct {
	Resolver *Resolver
	PathMTU  OuterMTU // as in Options
	Backoff  Backoff

	// Changed reports whether what stands with the peer of that name is not as it
	// would be made now.
	Changed func(peer string) bool
}

// A Changed names the chains by what a Change means to them.
type Changed struct {
	Kept  []string // as they were
	Again []string // they go down and, where they stood or were wanted, come up again
	Gone  []string // no rule wants them any more
	New   []string
}

// Reload goes by another configuration from now on. A chain stays as it is if its
// rule, its stack and its peers are what they were; the others go down, innermost
// layer first, and no packet of theirs leaves in clear meanwhile.
func (m *Manager) Reload(ch Change, now time.Time) Changed {
	if m.closed {
		return Changed{}
	}
	m.opt.Resolver, m.opt.Backoff = ch.Resolver, ch.Backoff
	if ch.PathMTU != 0 {
		m.opt.PathMTU = ch.PathMTU
	}
	m.dirty = true
	var out Changed
	expected := m.expected()
	for _, c := range m.chains {
		next, ok := m.stillWanted(c, expected)
		switch {
		case c.gone && !ok:
		case c.gone: // a rule for it is back before it is down
			out.Again = append(out.Again, c.name)
			c.revive(next)
		case !ok:
			out.Gone = append(out.Gone, c.name)
			c.gone = true
			m.takeDown(c)
		case m.differs(c, next.rule, ch.Changed):
			out.Again = append(out.Again, c.name)
			c.adopt(next)
			m.repeat(c)
		default:
			out.Kept = append(out.Kept, c.name)
			c.adopt(next)
		}
	}
	before := len(m.chains)
	m.expect()
	for _, c := range m.chains[before:] {
		out.New = append(out.New, c.name)
	}
	m.settle(now)
	return out
}

// A ruled is a rule with a flow of it.
type ruled struct {
	rule *policy.TransportRule
	flow packet.Flow
	seen bool
}

// expected are the chains that the rules themselves show.
func (m *Manager) expected() map[Key]ruled {
	out := make(map[Key]ruled)
	for _, s := range m.opt.Resolver.samples() {
		res, err := m.opt.Resolver.Resolve(s.flow)
		if _, known := out[res.Key]; err == nil && res.Verdict == ResolvedChain && !known {
			out[res.Key] = ruled{res.Rule, s.flow, false}
		}
	}
	return out
}

// stillWanted is what leads to c: the flow that did, or else another one.
func (m *Manager) stillWanted(c *chain, expected map[Key]ruled) (ruled, bool) {
	if res, err := m.opt.Resolver.Resolve(c.flow); err == nil && res.Key == c.key {
		return ruled{res.Rule, c.flow, c.seen}, true
	}
	r, ok := expected[c.key]
	return r, ok
}

// differs reports whether c would be made in another way now: with other peers, or
// with other selectors for its transport association, which are the rule's.
func (m *Manager) differs(c *chain, rule *policy.TransportRule, changed func(string) bool) bool {
	if rule.Action == policy.Protect && !reflect.DeepEqual(rule.Match, c.rule.Match) {
		return true
	}
	for layer := range c.depth() {
		if changed(c.actionAt(layer + 1).Peer) {
			return true
		}
	}
	return false
}

// adopt takes the rule that c is for now. Whether it is to stand without traffic
// changes only with that.
func (c *chain) adopt(r ruled) {
	if was, is := c.rule.Start == policy.Now, r.rule.Start == policy.Now; was != is {
		c.wanted = is && !c.down
	}
	c.rule, c.flow, c.seen = r.rule, r.flow, r.seen
}

// revive makes a chain of one that was to be forgotten.
func (c *chain) revive(r ruled) {
	c.gone, c.down, c.wanted = false, false, r.rule.Start == policy.Now
	c.rule, c.flow, c.seen = r.rule, r.flow, r.seen
}

// repeat takes c down, to come up again if there is more of it than a failure.
func (m *Manager) repeat(c *chain) {
	stood := c.state != Idle && c.state != Failed && (c.state != RollingBack || c.asked)
	m.retire(c)
	c.asked = stood && !c.down
	c.layer, c.reason = 0, ""
}

// bury forgets the chains that no rule wants, when nothing of them stands.
func (m *Manager) bury() {
	var left []*chain
	for _, c := range m.chains {
		if !c.gone || c.state != Idle {
			left = append(left, c)
		} else if m.byKey[c.key] == c {
			delete(m.byKey, c.key)
		}
	}
	if len(left) != len(m.chains) {
		m.chains, m.dirty = left, true
	}
}
