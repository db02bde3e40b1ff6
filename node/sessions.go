package node

import (
	"errors"
	"fmt"
	"time"

	"warren/control"
	"warren/ike"
	"warren/sa"
)

// A session is one IKE session of the node.
type session struct {
	id        ike.SessionID
	layer     sa.Layer // of the tree, for those that this node initiated
	via       sa.Layer // what carries it
	initiator bool
	leaving   bool // its tear-down was asked for; its end is no loss
	lost      bool // the tree knows that it is gone, or has another in its place

	pred, succ *session // that it is to replace, or is to replace it
	anew       bool     // it was begun to replace another one, and has not yet
	bare       bool     // its child SA is gone; succ may bring another
}

// apply carries out one event of the engine.
func (n *Node) apply(ev ike.Event, now time.Time) {
	switch e := ev.(type) {
	case ike.SessionUp:
		n.sessionUp(e, now)
	case ike.ChildUp:
		n.childUp(e, now)
	case ike.ChildAdded:
		n.childAdded(e, now)
	case ike.OutboundSwitched:
		n.switchTo(n.children[e.SPIIn], now)
	case ike.ChildRemoved:
		n.childRemoved(e, now)
	case ike.ChildFailed:
		n.childFailed(e, now)
	case ike.SessionFailed:
		n.sessionFailed(e, now)
	case ike.SessionDown:
		n.sessionDown(e, now)
	case ike.PathChanged:
		n.pathChanged(e, now)
	case ike.ReauthStarted:
		n.reauthStarted(e)
	case ike.ReauthFailed:
		n.reauthFailed(e, now)
	case ike.CRLWanted:
		n.wantCRLs(e)
	case ike.Retransmitted:
		n.retransmitted(e)
	case ike.SessionRekeyed:
		n.log.Debug("IKE SA rekeyed", "session", e.ID)
	}
}

func (n *Node) sessionUp(e ike.SessionUp, now time.Time) {
	if n.sessions[e.ID] == nil {
		n.sessions[e.ID] = &session{id: e.ID, via: e.Path.Via}
	}
	n.log.Info("session up", "peer", e.Name, "id", e.Remote.String(), "remote", e.Path.Remote.String(), "resumed", e.Resumed)
	if e.Certificate != nil {
		n.warnOfCert(n.peerCert(peerOf{e.Name, e.Remote, e.Initiator}, e.Certificate, now), now)
	}
}

// retransmitted tells those who wait for a layer that its peer is silent.
func (n *Node) retransmitted(e ike.Retransmitted) {
	if s := n.sessions[e.ID]; s != nil && s.initiator {
		n.nest.Waiting(s.layer, fmt.Sprintf("no answer from %v yet, try %d of %d", e.Path.Remote, e.Try, e.Tries))
	}
}

func (n *Node) childUp(e ike.ChildUp, now time.Time) {
	c, err := n.install(e.Session, e.Child)
	s := n.sessions[e.Session]
	if err != nil || s == nil {
		n.log.Error("child SA cannot be installed", "peer", e.Child.Name, "err", err)
		n.try("delete session", n.ike.Delete(e.Session, now))
		return
	}
	if !s.initiator {
		n.acceptedUp(c, now)
		return
	}
	if s.anew { // what it replaces has lost its own pair
		n.switchTo(c, now)
		return
	}
	n.nest.Done(s.layer, c.established(), now)
}

func (n *Node) childAdded(e ike.ChildAdded, now time.Time) {
	c, err := n.install(e.Session, e.Child)
	if err != nil {
		n.log.Error("child SA cannot be installed", "peer", e.Child.Name, "err", err)
		n.try("delete child", n.ike.DeleteChild(e.Session, e.Child.SPIIn, now))
		return
	}
	if e.UseOutbound {
		n.switchTo(c, now)
	}
}

// switchTo sends on c's outbound SA from now on.
func (n *Node) switchTo(c *child, now time.Time) {
	if c == nil {
		return
	}
	s := n.sessions[c.session]
	if s == nil {
		return
	}
	switch {
	case !s.initiator:
		n.acceptedRekeyed(c)
	case n.takesOver(s):
		n.nest.Reauthenticated(s.layer, c.established(), now)
	default:
		n.nest.Rekeyed(s.layer, c.established(), now)
	}
}

func (n *Node) childRemoved(e ike.ChildRemoved, now time.Time) {
	c := n.remove(e.SPIIn)
	s := n.sessions[e.Session]
	if c == nil || s == nil || !e.Down {
		return
	}
	if !s.initiator {
		n.acceptedDown(c, e.Reason)
		return
	}
	if s.succ != nil {
		s.bare = true
		return
	}
	n.lose(s, errors.New(e.Reason), now)
	if !s.leaving { // an IKE SA without its child is of no use to a chain
		s.leaving = true
		n.try("delete session", n.ike.Delete(e.Session, now))
	}
}

func (n *Node) childFailed(e ike.ChildFailed, now time.Time) {
	s := n.sessions[e.Session]
	if s == nil || !s.initiator {
		return
	}
	s.lost, s.leaving = true, true
	n.nest.Failed(s.layer, n.blame(e.Err), now)
	n.try("delete session", n.ike.Delete(e.Session, now))
}

func (n *Node) sessionFailed(e ike.SessionFailed, now time.Time) {
	s := n.sessions[e.ID]
	if s == nil {
		return
	}
	n.ended(s, e.Err, now)
}

func (n *Node) sessionDown(e ike.SessionDown, now time.Time) {
	n.log.Info("session down", "peer", e.Name, "id", e.Remote.String(), "reason", e.Reason)
	s := n.sessions[e.ID]
	if s == nil {
		return
	}
	n.ended(s, errors.New(e.Reason), now)
}

// ended tells the tree of a session that is no more what that means to its layer.
func (n *Node) ended(s *session, err error, now time.Time) {
	n.forget(s)
	switch {
	case !s.initiator:
		n.part(now)
	case s.leaving:
		if len(n.ofLayer(s.layer)) == 0 {
			n.nest.Gone(s.layer, now)
		}
	case s.succ != nil: // which goes on
		n.byLayer[s.layer] = s.succ
		s.succ.pred = nil
	case s.pred != nil: // which stays, as reauthFailed tells
		s.pred.succ = nil
	default:
		n.lose(s, err, now)
	}
}

// lose tells the tree that a layer is gone, or never came up, unless it asked for
// that or knows.
func (n *Node) lose(s *session, err error, now time.Time) {
	if s.leaving || s.lost {
		return
	}
	s.lost = true
	n.nest.Lost(s.layer, n.blame(err), now)
}

func (n *Node) forget(s *session) {
	delete(n.sessions, s.id)
	if n.byLayer[s.layer] == s {
		delete(n.byLayer, s.layer)
	}
}

func (n *Node) pathChanged(e ike.PathChanged, now time.Time) {
	told := make(map[sa.Layer]bool) // a child and its predecessor share one
	for _, c := range n.children {
		if c.session != e.ID {
			continue
		}
		c.Path, c.Encap = e.Path, e.Encap
		if told[c.Layer] || !n.carries(e.ID, c.Layer) {
			continue
		}
		told[c.Layer] = true
		n.nest.PathChanged(c.Layer, e.Path.Local, e.Path.Remote, e.Encap, now)
		if n.routed[c.Layer] != nil {
			n.reportAccepted(control.EventMoved, c, control.StateUp, fmt.Sprintf("%v to %v", e.Path.Local, e.Path.Remote))
		}
	}
}
