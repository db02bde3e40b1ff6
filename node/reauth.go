package node

import (
	"fmt"
	"time"

	"warren/ike"
	"warren/nest"
	"warren/sa"
)

// again gives the configuration of a session that takes the place of that of node,
// as things are then.
func (n *Node) again(node *nest.Node) func() (ike.PeerConfig, error) {
	return func() (ike.PeerConfig, error) {
		p := n.cfg.Peer(node.Action.Peer)
		if p == nil {
			return ike.PeerConfig{}, fmt.Errorf("node: there is no peer %s any more", node.Action.Peer)
		}
		return n.peerConfig(node, p, node.Local)
	}
}

func (n *Node) reauthStarted(e ike.ReauthStarted) {
	if old := n.sessions[e.ID]; old != nil {
		old.succ = &session{id: e.Successor, layer: old.layer, via: old.via, initiator: true, leaving: old.leaving, pred: old, anew: true}
		n.sessions[e.Successor] = old.succ
	}
}

// reauthFailed leaves the session as it is, unless it has lost its child SA
// meanwhile.
func (n *Node) reauthFailed(e ike.ReauthFailed, now time.Time) {
	s := n.sessions[e.ID]
	if s == nil {
		return
	}
	s.succ = nil
	n.nest.NotReauthenticated(s.layer, fmt.Errorf("not authenticated anew, to be tried again at %s: %w", e.Again.Format(time.TimeOnly), e.Err))
	if s.bare && !s.leaving {
		n.lose(s, e.Err, now)
		s.leaving = true
		n.try("delete session", n.ike.Delete(s.id, now))
	}
}

// takesOver makes s the session of its layer, and reports whether it was begun for
// that and is so for the first time.
func (n *Node) takesOver(s *session) bool {
	if old := n.byLayer[s.layer]; old != s {
		if old != nil {
			old.lost, old.succ = true, nil
		}
		s.lost, s.pred = false, nil
		n.byLayer[s.layer] = s
	}
	first := s.anew
	s.anew = false
	return first
}

// ofLayer lists the sessions of a layer of the tree: one, or while it is
// authenticated anew two.
func (n *Node) ofLayer(layer sa.Layer) []*session {
	var all []*session
	for _, s := range n.sessions {
		if s.initiator && s.layer == layer {
			all = append(all, s)
		}
	}
	return all
}

// carries reports whether a layer is sent on with a pair of this session.
func (n *Node) carries(id ike.SessionID, layer sa.Layer) bool {
	c := n.children[n.nest.InUse(layer)]
	return c == nil || c.session == id
}
