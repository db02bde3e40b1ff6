package node

import (
	"time"

	"warren/ike"
	"warren/sa"
)

// dismiss ends sessions that peers have opened, and with them those that came
// through them.
func (n *Node) dismiss(ids []ike.SessionID, now time.Time) {
	for _, id := range ids {
		n.dismissed[id] = true
	}
	for grown := len(ids) > 0; grown; {
		grown = false
		inside := make(map[sa.Layer]bool)
		for _, c := range n.children {
			if n.dismissed[c.session] {
				inside[c.Layer] = true
			}
		}
		for id, s := range n.sessions {
			if !s.initiator && inside[s.via] && !n.dismissed[id] {
				n.dismissed[id], grown = true, true
			}
		}
	}
	n.part(now)
}

// part says goodbye to the peers of dismissed sessions, and in a shutdown to all
// that have opened one, innermost first: to those now whose sessions carry no
// others any more.
func (n *Node) part(now time.Time) {
	if n.parting {
		for id, s := range n.sessions {
			if !s.initiator && !s.leaving {
				n.dismissed[id] = true
			}
		}
	}
	if len(n.dismissed) == 0 {
		return
	}
	busy := n.busy()
	for id := range n.dismissed {
		s := n.sessions[id]
		if s != nil && !s.leaving && busy[id] {
			continue
		}
		delete(n.dismissed, id)
		if s != nil && !s.leaving {
			s.leaving = true
			n.try("delete session", n.ike.Delete(id, now))
		}
	}
}

// busy are the sessions that carry others.
func (n *Node) busy() map[ike.SessionID]bool {
	carrying := make(map[sa.Layer]bool)
	for _, s := range n.sessions {
		carrying[s.via] = true
	}
	busy := make(map[ike.SessionID]bool)
	for _, c := range n.children {
		if carrying[c.Layer] {
			busy[c.session] = true
		}
	}
	return busy
}
