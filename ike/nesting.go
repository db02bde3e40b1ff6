package ike

import (
	"fmt"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/message"
	"warren/sa"
)

// carrier is the session that the layer via is of; nil for the network.
func (e *Engine) carrier(via sa.Layer) *session {
	if via == sa.Network {
		return nil
	}
	at := slices.IndexFunc(e.order, func(s *session) bool { return s.initiator && s.layer == via || s.has(via) })
	if at < 0 {
		return nil
	}
	return e.order[at]
}

// has reports whether child SAs of s are the layer.
func (s *session) has(layer sa.Layer) bool {
	return slices.ContainsFunc(s.children, func(c *child) bool { return c.layer == layer })
}

// carriers are the sessions that messages of s go through, innermost first.
func (e *Engine) carriers(s *session) []*session {
	var out []*session
	for c := e.carrier(s.via); c != nil; c = e.carrier(c.via) {
		out = append(out, c)
	}
	return out
}

// nests refuses a tunnel that would be deeper than Options.MaxDepth.
func (e *Engine) nests(s *session, mode esp.Mode) *refusal {
	if s.initiator || mode != esp.Tunnel || s.outside < e.opt.MaxDepth {
		return nil
	}
	return refuse(message.NoAdditionalSAs, "it would be tunnel %d in a row, the limit is %d", s.outside+1, e.opt.MaxDepth)
}

// cutOff ends the sessions that peers opened through a layer that is no more. No
// message could reach them. Those that this node opened are its caller's: whoever
// began them knows what they are for.
func (e *Engine) cutOff(layer sa.Layer, reason string, now time.Time) {
	if layer == sa.Network {
		return
	}
	for _, s := range slices.Clone(e.order) {
		if s.initiator || s.via != layer {
			continue
		}
		why := ending{reason: fmt.Sprintf("the layer that carried it is gone: %s", reason), interrupted: true}
		if s.state == sessionHalfOpen {
			why = ending{silent: true}
		}
		s.closing = nil
		e.end(s, why, now)
	}
}
