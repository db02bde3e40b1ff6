package nest

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren/policy"
)

// begin starts to perform the pending stack of a chain.
func (m *Manager) begin(c *chain) {
	c.state, c.asked, c.armed = Pending, false, false
	m.dirty = true
}

// advance performs the pending stack of c as far as it can go: one action at a
// time, outermost first, each through the node that was completed before it.
//
//	while pending is not empty
//	  a = pop pending
//	  ok → push a on completed
//	  failed → while completed is not empty: pop, tear it down
//
// An action whose node stands is done by taking a reference. One whose node is
// being built, by whatever chain, is waited for. One whose node is on its way
// out is built afresh when that is gone.
func (m *Manager) advance(c *chain, now time.Time) {
	for c.pending.Len() > 0 {
		a, _ := c.pending.Peek()
		n := m.tree.find(c.completed.Top(), a)
		if n == nil {
			var err error
			if n, err = m.build(c, a); err != nil {
				m.fail(c, c.completed.Len(), err, now)
				return
			}
		}
		switch n.state {
		case leaving, lost:
			c.state = Pending
			return
		case building:
			n.hold(c)
			c.state, c.waiting = Establishing, n
			return
		}
		n.hold(c)
		c.waiting = nil
		c.pending.Pop()
		c.completed.Push(n)
		if err := c.covers(n); err != nil {
			m.fail(c, n.Depth, err, now)
			return
		}
	}
	m.reached(c, now)
}

// reached makes c up: its pending stack is empty.
func (m *Manager) reached(c *chain, now time.Time) {
	c.state, c.layer, c.reason, c.keep = Up, 0, "", 0
	c.upSince, c.lastUsed, c.carried = now, now, false
	c.usedSeen = c.used.Load()
	m.dirty = true
	m.emit(Event{Kind: ChainUp, Chain: c.name, State: Up})
	m.emit(Release{c.key})
}

// build puts the node of the next action of c into the tree and has it
// established through the completed ones.
func (m *Manager) build(c *chain, a Action) (*Node, error) {
	parent := c.completed.Top()
	n := &Node{
		ID: m.opt.NextLayer(), Parent: parent, Action: a, Depth: c.completed.Len() + 1,
		peer: m.opt.Resolver.Peer(a.Peer), link: new(Link), chain: c.name,
	}
	var err error
	if n.Local, err = m.local(n); err != nil {
		return nil, err
	}
	m.propose(n, c.rule)
	m.tree.add(n)
	m.dirty = true
	m.emit(n.event(LayerStart, Establishing, ""))
	m.emit(Establish{n})
	return n, nil
}

// local is the address that packets to n's peer come from (DESIGN, section 4).
func (m *Manager) local(n *Node) (netip.Addr, error) {
	to := n.Action.Addr
	if n.Parent != nil {
		if lease := n.Parent.lease(to); lease.IsValid() {
			return lease, nil
		}
	}
	if s := n.peer.Source; s.IsValid() && s.Is4() == to.Is4() {
		return s, nil
	}
	if n.Parent != nil && (n.Parent.result.Inner4.IsValid() || n.Parent.result.Inner6.IsValid()) {
		return netip.Addr{}, fmt.Errorf("%s leased no address of the family of %s (%v)", n.Parent.Action.Peer, n.Action.Peer, to)
	}
	if m.opt.Source == nil {
		return netip.Addr{}, nil
	}
	return m.opt.Source(to), nil
}

// propose sets the selectors to ask for: wide ones for a tunnel, which is
// shared, the rule's own for a transport association (DESIGN, section 4).
func (m *Manager) propose(n *Node, rule *policy.TransportRule) {
	if n.Action.Kind == TransportAction {
		n.LocalTS, n.RemoteTS = rule.Match.HostSelectors(n.Local, n.Action.Addr)
		return
	}
	n.RemoteTS = n.peer.RemoteTS
	if len(n.RemoteTS) == 0 {
		n.RemoteTS = policy.Everything()
	}
	if n.peer.VirtualIP4 || n.peer.VirtualIP6 {
		return
	}
	for _, a := range []netip.Addr{n.Local, m.opt.Own4, m.opt.Own6} {
		if s := policy.AddrSelector(a); a.IsValid() && !slices.Contains(n.LocalTS, s) {
			n.LocalTS = append(n.LocalTS, s)
		}
	}
}
