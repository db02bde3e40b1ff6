package node

import (
	"slices"
	"time"

	"warren/control"
	"warren/esp"
)

// acceptedUp lets the dataplane and the kernel use a child that a peer opened.
func (n *Node) acceptedUp(c *child, now time.Time) {
	if err := n.nest.Accept(c.accepted()); err != nil {
		n.log.Error("child SA cannot be used", "peer", c.Remote.String(), "err", err)
		n.try("delete session", n.ike.Delete(c.session, now))
		return
	}
	n.routed[c.Layer] = c
	n.route(c, true)
	n.reportAccepted(control.EventAcceptedUp, c, control.StateUp, "")
}

// acceptedRekeyed lets the dataplane send on the successor of such a child, and
// the kernel route what it is for: a peer may ask for less, or for more, than
// the last time.
func (n *Node) acceptedRekeyed(c *child) {
	n.warn("rekey of "+c.Remote.String(), n.nest.Accept(c.accepted()))
	if old := n.routed[c.Layer]; old != nil && !old.sameTraffic(c) {
		n.routed[c.Layer] = c
		n.route(c, true)
		n.route(old, false)
	}
	n.reportAccepted(control.EventRekey, c, control.StateUp, "")
}

func (n *Node) acceptedDown(c *child, reason string) {
	old := n.routed[c.Layer]
	if old == nil {
		return // it never was up
	}
	delete(n.routed, c.Layer)
	n.route(old, false)
	n.reportAccepted(control.EventAcceptedDown, c, control.StateIdle, reason)
	n.nest.Forget(c.Layer)
}

func (n *Node) reportAccepted(kind string, c *child, state, reason string) {
	depth := 0
	if l := n.nest.View().Layer(c.Layer); l != nil {
		depth = l.Depth
	}
	n.events.Publish(control.Event{
		Kind: kind, Layer: depth, Peer: c.Remote.String(), Mode: c.Mode.String(), State: state, Reason: reason,
		SPIIn: c.SPIIn.String(), SPIOut: c.SPIOut.String(),
	})
	n.log.Info(kind, "layer", depth, "peer", c.Remote.String(), "mode", c.Mode.String(), "reason", reason)
}

// sameTraffic reports whether c and o are for the same packets.
func (c *child) sameTraffic(o *child) bool {
	return c.Mode == o.Mode && slices.Equal(c.LocalTS, o.LocalTS) && slices.Equal(c.RemoteTS, o.RemoteTS)
}

// route brings what is for the peer of c to the TUN, or stops doing so: whole
// prefixes behind a tunnel, only the protected flows of a transport association.
func (n *Node) route(c *child, on bool) {
	if c.Mode == esp.Transport {
		apply := n.host.AddFlow
		if !on {
			apply = n.host.RemoveFlow
		}
		for _, f := range flowsOf(c.LocalTS, c.RemoteTS) {
			n.warn("route flow of "+c.Remote.String(), apply(f))
		}
		return
	}
	apply := n.host.AddRoute
	if !on {
		apply = n.host.RemoveRoute
	}
	for _, p := range prefixesOf(c.RemoteTS) {
		n.warn("route "+p.String(), apply(p))
	}
}

// warn logs what went wrong in the kernel: the session stands, but traffic may
// not find it.
func (n *Node) warn(what string, err error) {
	if err != nil {
		n.log.Warn(what, "err", err)
	}
}
