package nest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"warren/esp"
	"warren/sa"
)

// Listen says at which addresses peers may open sessions with this node, also from
// inside those that they have. The map is not changed any more.
func (m *Manager) Listen(at map[netip.Addr]bool) {
	if maps.Equal(at, m.listens) {
		return
	}
	m.listens, m.dirty = at, true
	m.publish()
}

// Accept takes in a child SA of a session that a peer opened, or its successor
// after a rekey, which keeps the counters. What came through it notices nothing of
// a rekey. It refuses a child whose carrier is not there (any more).
func (m *Manager) Accept(c AcceptedChild) error {
	old := m.accepted.get(c.Layer)
	if _, ok := m.carrier(c.Via); !ok {
		return fmt.Errorf("nest: layer %d, which carried the session of %s, is gone", c.Via, c.Peer)
	}
	if old == nil && c.Via != sa.Network {
		m.inside[c.Via] = append(m.inside[c.Via], c.Layer)
		m.remark(c.Via)
	}
	if old != nil {
		again := *old // the old one is in views
		again.rekeys++
		old = &again
	}
	m.remake(c, old)
	m.dirty = true
	m.publish()
	return nil
}

// Forget ends what Accept began. What came through it goes with it.
func (m *Manager) Forget(id sa.Layer) {
	m.forget(id)
	m.dirty = true
	m.publish()
}

func (m *Manager) forget(id sa.Layer) {
	for _, inner := range slices.Clone(m.inside[id]) {
		m.forget(inner)
	}
	c := m.accepted.get(id)
	if c == nil {
		return
	}
	m.accepted = m.accepted.without(id)
	if c.Via == sa.Network {
		return
	}
	m.inside[c.Via] = slices.DeleteFunc(m.inside[c.Via], func(o sa.Layer) bool { return o == id })
	if len(m.inside[c.Via]) == 0 {
		delete(m.inside, c.Via)
	}
	m.remark(c.Via)
}

// carrier is what carries the sessions that come through a layer: the network, a
// tunnel that a peer opened, or one of this node's own.
func (m *Manager) carrier(via sa.Layer) (carrier, bool) {
	if via == sa.Network {
		return carrier{mtu: m.opt.PathMTU}, true
	}
	if c := m.accepted.get(via); c != nil {
		return carrier{&c.bundle, c.bundle.MTU.Outer(), c.info.Depth}, c.Mode == esp.Tunnel
	}
	n := m.node(via)
	if n == nil || n.state != standing || n.Mode() != esp.Tunnel {
		return carrier{}, false
	}
	b := Compile(n, m.opt.PathMTU)
	return carrier{b, b.MTU.Outer(), n.Depth}, true
}

// remake compiles a child in the place of old, an older form of it if there is one,
// and what is inside it. Without a carrier it stays as it was, on its way out.
func (m *Manager) remake(c AcceptedChild, old *accepted) {
	out, ok := m.carrier(c.Via)
	if !ok {
		return
	}
	a := newAccepted(c, old, out)
	a.info.HasChildren = len(m.inside[c.Layer]) > 0
	m.accepted = m.accepted.with(a)
	m.recompile(c.Layer)
}

// recompile makes the children that came through a layer anew: how that is carried,
// or how much fits into it, may have changed.
func (m *Manager) recompile(via sa.Layer) {
	for _, id := range m.inside[via] {
		c := m.accepted.get(id)
		m.remake(c.AcceptedChild, c)
	}
}

// remark notes in an accepted layer whether there is something inside it.
func (m *Manager) remark(id sa.Layer) {
	c := m.accepted.get(id)
	if c == nil {
		return
	}
	fresh := *c // the old one is in views
	fresh.info.HasChildren = len(m.inside[id]) > 0
	m.accepted = m.accepted.with(&fresh)
}
