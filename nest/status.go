package nest

import (
	"net/netip"
	"slices"

	"warren/esp"
	"warren/packet"
	"warren/sa"
)

// A ChainStatus is a chain as people see it.
type ChainStatus struct {
	Name        string
	Key         Key
	Rule        string
	State       State
	Wanted      bool // it is kept up without traffic
	Down        bool // the user took it down
	Reason      string
	FailedLayer int
	FailedPeer  string
	MTU         InnerMTU
	Layers      []LayerStatus // outermost first
}

// A LayerStatus is one tunnel, or the transport association, of a chain.
type LayerStatus struct {
	Layer                int // depth, 1 is outermost
	ID                   sa.Layer
	Peer                 string
	Mode                 esp.Mode
	State                State
	Local, Remote        netip.Addr
	Inner4, Inner6       netip.Addr
	SPIIn, SPIOut        esp.SPI
	Suite                esp.Suite
	Encap                packet.Encap
	MTU                  InnerMTU
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	Rekeys, Reauths      uint64
	Built                bool   // what was negotiated is known
	Reason               string // why it could not be authenticated anew
}

// An AcceptedStatus is a child that a peer opened.
type AcceptedStatus struct {
	AcceptedChild
	Depth                int // 1 is outermost
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	Rekeys               uint64
	MTU                  InnerMTU
}

// Chains is the state of every chain known, in the order of the rules and then
// of their first packets.
func (m *Manager) Chains() []ChainStatus {
	out := make([]ChainStatus, 0, len(m.chains))
	for _, c := range m.chains {
		s := ChainStatus{
			Name: c.name, Key: c.key, Rule: c.rule.Name, State: c.state,
			Wanted: c.wanted, Down: c.down, Reason: c.reason, FailedLayer: c.layer,
			FailedPeer: c.actionAt(c.layer).Peer,
		}
		s.Layers = m.layers(c)
		if len(s.Layers) > 0 {
			s.MTU = s.Layers[len(s.Layers)-1].MTU
		}
		out = append(out, s)
	}
	return out
}

// layers are those that stand or are on their way, then those still to be
// built, with what is assumed of them.
func (m *Manager) layers(c *chain) []LayerStatus {
	outer := m.opt.PathMTU
	var out []LayerStatus
	for i := range c.depth() {
		a := c.actionAt(i + 1)
		n := m.nodeOf(c, i)
		if n == nil && c.gone { // its peer may be unknown now
			break
		}
		if n == nil {
			n = &Node{Action: a, peer: m.opt.Resolver.Peer(a.Peer), link: new(Link)}
		}
		s := n.status()
		s.Layer = i + 1
		if n.refs == nil && c.layer == i+1 && c.state == Failed {
			s.State = Failed
		}
		if n.limit != 0 {
			outer = min(outer, n.limit)
		}
		s.MTU = outer.Inner(n.wrapping())
		outer = s.MTU.Outer()
		out = append(out, s)
	}
	return out
}

// nodeOf is the node of c at index i, also one on its way in or out; nil if
// there is none.
func (m *Manager) nodeOf(c *chain, i int) *Node {
	if i < c.completed.Len() {
		return c.completed.nodes[i]
	}
	if c.waiting != nil && c.waiting.Depth == i+1 {
		return c.waiting
	}
	at := slices.IndexFunc(c.leaving, func(n *Node) bool { return n.Depth == i+1 && len(n.refs) == 0 && m.tree.has(n) })
	if at < 0 {
		return nil
	}
	return c.leaving[at]
}

func (n *Node) status() LayerStatus {
	e := &n.result
	s := LayerStatus{
		ID: n.ID, Peer: n.Action.Peer, Mode: n.Mode(), State: n.word(), Built: n.built,
		Local: n.Local, Remote: n.Action.Addr, Inner4: e.Inner4, Inner6: e.Inner6,
		SPIIn: e.SPIIn, SPIOut: e.SPIOut, Suite: n.wrapping().Suite, Encap: n.wrapping().Encap,
		PacketsIn: n.link.PacketsIn.Load(), BytesIn: n.link.BytesIn.Load(),
		PacketsOut: n.link.PacketsOut.Load(), BytesOut: n.link.BytesOut.Load(), Rekeys: n.rekeys,
		Reauths: n.reauths, Reason: n.trouble,
	}
	if n.built {
		s.Local, s.Remote = e.Local, e.Remote
	}
	return s
}

// word is the state of the node in the words of State.
func (n *Node) word() State {
	switch {
	case n.ID == 0:
		return Idle // not in the tree
	case n.state == building:
		return Establishing
	case n.state == standing && len(n.refs) > 0:
		return Up
	}
	return RollingBack
}

// Accepted is every child that a peer opened with this node, in the order in
// which they came, but each followed by those that came through it.
func (m *Manager) Accepted() []AcceptedStatus {
	var out []AcceptedStatus
	for _, c := range m.accepted.all() {
		if m.accepted.get(c.Via) == nil {
			out = m.appendAccepted(out, c)
		}
	}
	return out
}

func (m *Manager) appendAccepted(out []AcceptedStatus, c *accepted) []AcceptedStatus {
	out = append(out, AcceptedStatus{
		AcceptedChild: c.AcceptedChild, Depth: c.info.Depth, Rekeys: c.rekeys, MTU: c.bundle.MTU,
		PacketsIn: c.link.PacketsIn.Load(), BytesIn: c.link.BytesIn.Load(),
		PacketsOut: c.link.PacketsOut.Load(), BytesOut: c.link.BytesOut.Load(),
	})
	for _, id := range m.inside[c.Layer] {
		out = m.appendAccepted(out, m.accepted.get(id))
	}
	return out
}
