package nest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/sa"
)

// node is the node of a layer, or nil.
func (m *Manager) node(id sa.Layer) *Node {
	for _, n := range m.tree.inward() {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// Done says that the child SA of a layer is installed. For a layer that was
// given up meanwhile it brings another TearDown.
func (m *Manager) Done(id sa.Layer, e Established, now time.Time) {
	n := m.node(id)
	switch {
	case n == nil:
		m.emit(TearDown{Layer: id, Reachable: true})
		return
	case n.state != building:
		return // its TearDown is on the way
	}
	n.state, n.built, n.result = standing, true, e
	n.link.Out.Store(e.Out)
	m.dirty = true
	m.emit(n.event(LayerUp, Up, ""))
	m.settle(now)
}

// Waiting says that the exchange of a layer has no answer yet, in words for
// people. Nothing changes.
func (m *Manager) Waiting(id sa.Layer, reason string) {
	if n := m.node(id); n != nil && n.state == building {
		m.emit(n.event(LayerRetry, Establishing, reason))
	}
}

// Failed says that a layer could not be established. All chains that waited for
// it fail with it.
func (m *Manager) Failed(id sa.Layer, err error, now time.Time) {
	n := m.node(id)
	switch {
	case n == nil || n.state == leaving:
		return // nobody waits for it, and Gone will come
	case n.state != building:
		m.Lost(id, err, now)
		return
	}
	waiting := slices.Clone(n.refs)
	m.tree.remove(n)
	for _, c := range waiting {
		m.fail(c, n.Depth, err, now)
	}
	m.settle(now)
}

// Lost says that an established layer is no more: the peer deleted it, did not
// answer, or its lifetime ran out. What is inside goes down, innermost first;
// what is outside stays.
func (m *Manager) Lost(id sa.Layer, err error, now time.Time) {
	n := m.node(id)
	switch {
	case n == nil || n.state == leaving || n.state == lost:
		return
	case n.state == building:
		m.Failed(id, err, now)
		return
	}
	if err == nil {
		err = errors.New("lost")
	}
	n.state, n.reason = lost, err.Error()
	for _, c := range slices.Clone(n.refs) {
		m.bereave(c, n.Depth, err, now)
	}
	m.hasten()
	m.settle(now)
}

// Gone says that the tear-down of a layer is finished.
func (m *Manager) Gone(id sa.Layer, now time.Time) {
	if n := m.node(id); n != nil && n.state == leaving {
		m.remove(n)
		m.settle(now)
	}
}

// Rekeyed says that a layer has a new child SA to send on. Its Link has it at
// once; a view is published only if something else about it changed.
func (m *Manager) Rekeyed(id sa.Layer, e Established, now time.Time) {
	if n := m.replace(id, e); n != nil {
		n.rekeys++
		m.emit(n.event(Rekey, Up, ""))
		m.settle(now)
	}
}

// Reauthenticated says that a new session has taken the place of a layer's, with a
// child SA to send on. What is inside notices nothing.
func (m *Manager) Reauthenticated(id sa.Layer, e Established, now time.Time) {
	if n := m.replace(id, e); n != nil {
		n.reauths++
		n.trouble = ""
		m.emit(n.event(Reauth, Up, ""))
		m.settle(now)
	}
}

// NotReauthenticated says that a layer keeps its session, and why.
func (m *Manager) NotReauthenticated(id sa.Layer, err error) {
	if n := m.node(id); n != nil && n.state == standing {
		n.trouble = err.Error()
		m.emit(n.event(ReauthFailed, Up, n.trouble))
	}
}

// replace gives a layer that stands another child SA, and returns its node, or nil.
func (m *Manager) replace(id sa.Layer, e Established) *Node {
	n := m.node(id)
	if n == nil || n.state != standing {
		return nil
	}
	n.link.Out.Store(e.Out)
	n.result = e
	m.dirty = true
	return n
}

// InUse is the pair of child SAs, by its inbound SPI, that a layer is sent on; 0
// where there is none.
func (m *Manager) InUse(id sa.Layer) esp.SPI {
	if c := m.accepted.get(id); c != nil {
		return c.SPIIn
	}
	if n := m.node(id); n != nil {
		return n.result.SPIIn
	}
	return 0
}

// PathChanged says that the ESP of a layer, one of the tree or an accepted one,
// goes between other addresses now. Only its own outer header changes: what is
// inside keeps its addresses. What was learned about the old path is forgotten.
func (m *Manager) PathChanged(id sa.Layer, local, remote netip.AddrPort, encap packet.Encap, now time.Time) {
	if c := m.accepted.get(id); c != nil {
		child := c.AcceptedChild
		child.Local, child.Remote, child.Encap = local, remote, encap
		m.remake(child, c)
	}
	if n := m.node(id); n != nil && n.state == standing {
		if local.Addr() != n.result.Local || remote.Addr() != n.result.Remote {
			n.limit = 0
			m.emit(n.event(Moved, Up, fmt.Sprintf("%v to %v", local, remote)))
		}
		n.Local = local.Addr()
		n.result.Local, n.result.LocalPort = local.Addr(), local.Port()
		n.result.Remote, n.result.RemotePort = remote.Addr(), remote.Port()
		n.result.Encap = encap
	}
	m.dirty = true
	m.settle(now)
}

// PathMTU says that IP packets to remote that are sent inside via may have at
// most so many bytes. It lowers the figures of the chains and accepted children
// concerned and never raises them; less than MinMTU is not believed.
func (m *Manager) PathMTU(via sa.Layer, remote netip.Addr, bytes int, now time.Time) {
	mtu := max(OuterMTU(bytes), MinMTU(remote))
	for _, n := range m.tree.inward() {
		if n.Via() == via && n.remote() == remote && (n.limit == 0 || mtu < n.limit) {
			n.limit = mtu
			m.dirty = true
		}
	}
	m.narrowAccepted(via, remote, mtu)
	m.settle(now)
}

// narrowAccepted is PathMTU for what peers opened.
func (m *Manager) narrowAccepted(via sa.Layer, remote netip.Addr, mtu OuterMTU) {
	for _, c := range m.accepted.all() {
		if c.Via == via && c.Remote.Addr() == remote && (c.limit == 0 || mtu < c.limit) {
			c := *c // the old one is in views
			c.limit = mtu
			m.remake(c.AcceptedChild, &c)
			m.dirty = true
		}
	}
}
