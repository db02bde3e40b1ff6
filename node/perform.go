package node

import (
	"fmt"
	"net/netip"
	"time"

	"warren/control"
	"warren/nest"
)

// perform carries out one command of the tree.
func (n *Node) perform(c nest.Command, now time.Time) {
	switch c := c.(type) {
	case nest.Publish:
		n.plane.Publish(n.nest.View())
	case nest.Establish:
		n.establish(c.Node, now)
	case nest.TearDown:
		n.tearDown(c, now)
	case nest.Release:
		n.plane.Release(c.Key)
	case nest.Refuse:
		n.plane.Refuse(c.Key)
	case nest.Event:
		n.report(c)
	}
}

// establish starts the IKE exchange of a node, through the layers outside it.
func (n *Node) establish(node *nest.Node, now time.Time) {
	peer := n.cfg.Peer(node.Action.Peer)
	local, err := n.localAddr(node)
	if err != nil {
		n.nest.Failed(node.ID, err, now)
		return
	}
	cfg, err := n.peerConfig(node, peer, local)
	if err != nil {
		n.nest.Failed(node.ID, err, now)
		return
	}
	id, err := n.ike.Initiate(cfg, now)
	if err != nil {
		n.nest.Failed(node.ID, err, now)
		return
	}
	s := &session{id: id, layer: node.ID, via: node.Via(), initiator: true}
	n.sessions[id], n.byLayer[node.ID] = s, s
}

// localAddr is where the packets to a node's peer come from. The tree knows it
// inside a layer; on the network it is the host's choice.
func (n *Node) localAddr(node *nest.Node) (netip.Addr, error) {
	if node.Local.IsValid() {
		return node.Local, nil
	}
	if node.Parent != nil {
		return netip.Addr{}, fmt.Errorf("node: %s leased no address to reach %v from; set source for peer %s",
			node.Parent.Action.Peer, node.Action.Addr, node.Action.Peer)
	}
	local, err := n.host.SourceFor(node.Action.Addr)
	if err != nil {
		return local, fmt.Errorf("node: no way to %v: %w", node.Action.Addr, err)
	}
	return local, nil
}

// tearDown ends the sessions of a layer: with a DELETE where the peer can be
// reached, silently where it cannot.
func (n *Node) tearDown(c nest.TearDown, now time.Time) {
	s := n.byLayer[c.Layer]
	if s == nil || s.lost {
		n.nest.Gone(c.Layer, now)
		return
	}
	all := n.ofLayer(c.Layer)
	deleted := false
	for _, s := range all {
		s.leaving = true
		deleted = c.Reachable && n.ike.Delete(s.id, now) == nil || deleted
	}
	if deleted {
		return // the last SessionDown brings Gone
	}
	for _, s := range all {
		n.abandon(s)
	}
	n.nest.Gone(c.Layer, now)
}

// abandon ends a session without a word to its peer.
func (n *Node) abandon(s *session) {
	n.ike.Abort(s.id)
	n.forget(s)
	for spi, c := range n.children {
		if c.session == s.id {
			n.remove(spi)
		}
	}
}

// report tells people.
func (n *Node) report(e nest.Event) {
	out := control.Event{
		Kind: string(e.Kind), Chain: e.Chain, Layer: e.Layer, Peer: e.Peer,
		State: e.State.String(), Reason: e.Reason,
	}
	if e.ID != 0 {
		out.Mode = e.Mode.String()
	}
	if e.SPIIn != 0 {
		out.SPIIn, out.SPIOut = e.SPIIn.String(), e.SPIOut.String()
	}
	n.events.Publish(out)
	n.log.Info(out.Kind, "chain", e.Chain, "layer", e.Layer, "peer", e.Peer, "state", out.State, "reason", e.Reason)
}
