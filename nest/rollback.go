package nest

import (
	"slices"
	"time"
)

// rollBack pops the completed stack of c down to keep, newest first, and lets
// go of each node: the tree tears down those that no chain holds any more. The
// actions go back on the pending stack.
func (m *Manager) rollBack(c *chain, keep int) {
	if c.waiting != nil {
		m.letGo(c, c.waiting)
		c.waiting = nil
	}
	for c.completed.Len() > keep {
		n := c.completed.Pop()
		c.pending.Push(n.Action)
		m.letGo(c, n)
	}
}

func (m *Manager) letGo(c *chain, n *Node) {
	n.drop(c)
	c.leaving = append(c.leaving, n)
}

// retreat rolls c back to keep layers; when what nobody else holds is gone, the
// chain is in state then.
func (m *Manager) retreat(c *chain, keep int, then State) {
	m.rollBack(c, keep)
	c.state, c.then = RollingBack, then
	m.dirty = true
}

// retire takes c down because it is not wanted.
func (m *Manager) retire(c *chain) {
	m.dirty = true
	switch c.state {
	case Idle:
	case RollingBack:
		m.retreat(c, 0, Idle)
	case Failed:
		c.state = Idle
		m.emit(Event{Kind: ChainDown, Chain: c.name, State: Idle})
	default:
		m.retreat(c, 0, Idle)
	}
	c.keep, c.attempts, c.armed = 0, 0, false
}

// fail rolls c back because of a layer: whole, or, when a chain that was up is
// being repaired, down to the layers that outlived the loss.
func (m *Manager) fail(c *chain, layer int, err error, now time.Time) {
	peer := c.actionAt(layer).Peer
	c.layer, c.reason = layer, err.Error()
	m.backOff(c, now)
	m.emit(Event{Kind: Rollback, Chain: c.name, Layer: layer, Peer: peer, State: RollingBack, Reason: c.reason})
	if c.keep > 0 {
		m.retreat(c, c.keep, Degraded)
	} else {
		m.retreat(c, 0, Failed)
	}
	if c.fate() == Unreachable {
		m.emit(Refuse{c.key})
	}
}

// actionAt is the action of a layer, wherever it is now; layer 0 is the next.
func (c *chain) actionAt(layer int) Action {
	if layer > 0 && layer <= c.completed.Len() {
		return c.completed.nodes[layer-1].Action
	}
	all := c.pending.Actions()
	if i := layer - 1 - c.completed.Len(); i >= 0 && i < len(all) {
		return all[i]
	}
	return Action{}
}

// bereave deals with the loss of layer, which c had completed. A chain that was
// up and of use is repaired from there; one that was being built has failed;
// one that nobody used just ends.
func (m *Manager) bereave(c *chain, layer int, err error, now time.Time) {
	c.keep = min(c.keep, layer-1)
	if c.state != Up {
		m.fail(c, layer, err, now)
		return
	}
	c.layer, c.reason = layer, err.Error()
	m.emit(Event{
		Kind: ChainDown, Chain: c.name, Layer: layer, Peer: c.actionAt(layer).Peer,
		State: Degraded, Reason: c.reason,
	})
	m.countUse(c, now)
	if !c.wanted && !c.carried {
		m.retreat(c, 0, Idle)
		return
	}
	c.wanted = true
	if now.Sub(c.upSince) > m.opt.Backoff.max() {
		c.attempts = 0
	}
	m.backOff(c, now)
	c.keep = layer - 1
	m.retreat(c, c.keep, Degraded)
}

// finish ends the roll-back of c if nothing that it let go of is still on its
// way out. A node that another chain holds is not.
func (m *Manager) finish(c *chain) bool {
	c.leaving = slices.DeleteFunc(c.leaving, func(n *Node) bool {
		return !m.tree.has(n) || len(n.refs) > 0
	})
	if len(c.leaving) > 0 {
		return false
	}
	c.state = c.then
	switch c.state {
	case Failed:
		m.emit(Event{
			Kind: ChainFailed, Chain: c.name, Layer: c.layer, Peer: c.actionAt(c.layer).Peer,
			State: Failed, Reason: c.reason,
		})
	case Idle:
		m.emit(Event{Kind: ChainDown, Chain: c.name, State: Idle})
	}
	if c.asked {
		m.begin(c)
	}
	m.dirty = true
	return true
}

// collect tears down what no chain holds: innermost first, since a node goes
// only when its children are gone.
func (m *Manager) collect() (moved bool) {
	for _, n := range m.tree.outward() {
		switch {
		case len(n.refs) > 0 || len(n.children) > 0:
		case n.state == lost:
			m.remove(n)
			moved = true
		case n.state != leaving:
			n.state, n.deaf = leaving, !n.reachable()
			m.emit(TearDown{n.ID, n.Action.Peer, !n.deaf})
			m.dirty, moved = true, true
		}
	}
	return moved
}

// hasten tells those inside a lost node that were already leaving not to wait
// for answers.
func (m *Manager) hasten() {
	for _, n := range m.tree.outward() {
		if n.state == leaving && !n.deaf && !n.reachable() {
			n.deaf = true
			m.emit(TearDown{n.ID, n.Action.Peer, false})
		}
	}
}

// remove takes a node out of the tree: it is gone.
func (m *Manager) remove(n *Node) {
	m.tree.remove(n)
	m.dirty = true
	if !n.built {
		return
	}
	m.emit(n.event(LayerDown, Idle, n.reason))
}
