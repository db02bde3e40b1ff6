package nest

import (
	"fmt"
	"net/netip"

	"warren/esp"
)

// ActionKind is what an action establishes.
type ActionKind uint8

// The kinds of actions.
const (
	TunnelAction    ActionKind = iota // ESP tunnel mode to a gateway
	TransportAction                   // ESP transport mode with the receiver
)

// Mode is the mode of the SAs that the action brings.
func (k ActionKind) Mode() esp.Mode {
	if k == TransportAction {
		return esp.Transport
	}
	return esp.Tunnel
}

// An Action is one entry of a pending stack: establish a tunnel to a gateway
// through what is already up, or a transport association with a receiver
// through all of it.
type Action struct {
	Kind ActionKind
	Peer string
	Addr netip.Addr // of the peer
	Rule string     // a transport action: its rule, whose selectors it proposes
}

// String is "tunnel to sg1 (192.0.2.1)".
func (a Action) String() string {
	if a.Kind == TransportAction {
		return fmt.Sprintf("transport with %s (%v)", a.Peer, a.Addr)
	}
	return fmt.Sprintf("tunnel to %s (%v)", a.Peer, a.Addr)
}

// A Stack is a pending stack: the actions still to do, the outermost gateway on
// top, the transport action at the bottom.
type Stack struct{ actions []Action }

// Len is how many actions are pending.
func (s *Stack) Len() int { return len(s.actions) }

// Push puts a on top.
func (s *Stack) Push(a Action) { s.actions = append(s.actions, a) }

// Peek is the top; ok is false on an empty stack.
func (s *Stack) Peek() (top Action, ok bool) {
	if len(s.actions) == 0 {
		return Action{}, false
	}
	return s.actions[len(s.actions)-1], true
}

// Pop takes the top off; ok is false on an empty stack.
func (s *Stack) Pop() (top Action, ok bool) {
	if top, ok = s.Peek(); ok {
		s.actions = s.actions[:len(s.actions)-1]
	}
	return top, ok
}

// Actions is a copy of the stack, top first: the order of establishment.
func (s *Stack) Actions() []Action {
	out := make([]Action, 0, len(s.actions))
	for i := len(s.actions) - 1; i >= 0; i-- {
		out = append(out, s.actions[i])
	}
	return out
}

// Completed is a completed stack: the nodes that a chain has a reference to,
// the newest and innermost on top. Popping it gives the tear-down order.
type Completed struct{ nodes []*Node }

// Len is how many actions are completed.
func (c *Completed) Len() int { return len(c.nodes) }

// Push puts n on top.
func (c *Completed) Push(n *Node) { c.nodes = append(c.nodes, n) }

// Top is the innermost node; nil, the network, on an empty stack.
func (c *Completed) Top() *Node {
	if len(c.nodes) == 0 {
		return nil
	}
	return c.nodes[len(c.nodes)-1]
}

// Pop takes the top off and returns it; nil on an empty stack.
func (c *Completed) Pop() *Node {
	top := c.Top()
	if top != nil {
		c.nodes = c.nodes[:len(c.nodes)-1]
	}
	return top
}
