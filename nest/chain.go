package nest

import (
	"fmt"
	"sync/atomic"
	"time"

	"warren/packet"
	"warren/policy"
)

// A State is the state of a chain or of one of its layers.
type State uint8

// The states, and the only words for them.
const (
	Idle         State = iota // nothing of it stands, and nothing wants it
	Pending                   // it waits for an old layer to be gone
	Establishing              // an action is being performed
	Up
	Degraded    // it was up, lost a layer, and keeps those outside it until it is repaired
	RollingBack // layers are being torn down
	Failed      // an action failed, and everything was rolled back
)

// String is the state's word.
func (s State) String() string {
	return [...]string{"idle", "pending", "establishing", "up", "degraded", "rolling-back", "failed"}[s]
}

// MarshalText makes the word the JSON form.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A chain is a path of the tree: what of it stands is completed, what is still
// to be built is pending, and an action is always on exactly one of the two.
type chain struct {
	key  Key
	name string
	rule *policy.TransportRule
	flow packet.Flow // that it was resolved from
	seen bool        // flow is of a packet, not a sample of the rule

	state     State
	pending   Stack
	completed Completed
	waiting   *Node   // Establishing: the node that Done or Failed is to come for
	leaving   []*Node // RollingBack: what it let go of
	then      State   // RollingBack: the state afterwards

	wanted bool // keep it up without traffic: start now, up, or traffic before a loss
	asked  bool // begin as soon as the roll-back is over
	down   bool // the user took it down: it stays so until up
	gone   bool // no rule wants it any more: when nothing of it stands it is forgotten

	layer    int    // that failed; 0 is none
	reason   string // why
	keep     int    // layers that a failure leaves standing: those outside the lost one
	attempts int    // failures and losses in a row
	retry    time.Time
	armed    bool // Failed: the back-off is over, the next packet may begin again

	upSince, lastUsed time.Time
	carried           bool           // traffic since it came up
	used              *atomic.Uint64 // the bundles' count
	usedSeen          uint64
}

// depth is how many layers it has.
func (c *chain) depth() int { return c.pending.Len() + c.completed.Len() }

// fate is what becomes of its packets.
func (c *chain) fate() Verdict {
	state := c.state
	if state == RollingBack {
		state = c.then
	}
	switch {
	case c.state == Up:
		return Send
	case c.down:
		return Unreachable
	case state == Failed && !c.armed && !c.asked:
		return Unreachable
	case state == Degraded && c.attempts > 1:
		return Unreachable
	}
	return Hold
}

// covers is nil if the selectors of n let the rest of the chain through: the
// packets to the next peer, or the flow itself (RFC 7296, Section 2.9, lets the
// gateway narrow what was proposed).
func (c *chain) covers(n *Node) error {
	var next string
	var ok bool
	if a, more := c.pending.Peek(); more {
		next = a.Addr.String()
		ok = policy.CoversAddr(n.result.RemoteTS, a.Addr)
	} else {
		next, ok = c.ownTraffic(n.result.RemoteTS)
	}
	if ok {
		return nil
	}
	return fmt.Errorf("%s narrowed the traffic selectors to %s: they do not cover %s (proposed: %s)",
		n.Action.Peer, policy.FormatSelectors(n.result.RemoteTS), next, policy.FormatSelectors(n.RemoteTS))
}

// ownTraffic says what the chain is to carry, and whether sel covers it: the
// flow that asked for it, or as long as there was none any part of its rule.
func (c *chain) ownTraffic(sel []policy.Selector) (what string, ok bool) {
	if !c.seen {
		all := c.rule.Match.DstSelectors()
		return policy.FormatSelectors(all), len(policy.Intersect(sel, all)) > 0
	}
	f := c.flow
	what = policy.Selector{From: f.Dst, To: f.Dst, Proto: f.Proto, Ports: policy.Ports{Lo: f.DstPort, Hi: f.DstPort}}.String()
	if f.Frag {
		return what, policy.CoversFragment(sel, f.Dst, f.Proto)
	}
	return what, policy.Covers(sel, f.Dst, f.Proto, f.DstPort)
}
