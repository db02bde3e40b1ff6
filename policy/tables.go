package policy

import (
	"slices"

	"warren/packet"
)

// Tables are the transport and the tunnel rules of a node, in order. They are
// immutable. A look-up walks the rules: workers cache its result per flow, so
// it is paid once a flow.
type Tables struct {
	transport []TransportRule
	tunnel    []TunnelRule
	def       Action
}

// NewTables copies the rules. def, Bypass or Discard, is for flows that no
// transport rule matches.
func NewTables(transport []TransportRule, tunnel []TunnelRule, def Action) *Tables {
	return &Tables{slices.Clone(transport), slices.Clone(tunnel), def}
}

// Default is the verdict on flows that no transport rule matches.
func (t *Tables) Default() Action { return t.def }

// Transports are the transport rules in order. The caller must not change them.
func (t *Tables) Transports() []TransportRule { return t.transport }

// Tunnels are the tunnel rules in order. The caller must not change them.
func (t *Tables) Tunnels() []TunnelRule { return t.tunnel }

// Transport is the first transport rule that matches f. A non-initial fragment
// gets the strictest rule it could belong to.
func (t *Tables) Transport(f packet.Flow) (*TransportRule, bool) {
	if f.Frag {
		return t.fragment(f)
	}
	for i := range t.transport {
		if r := &t.transport[i]; r.Match.Matches(f) {
			return r, true
		}
	}
	return nil, false
}

// fragment is Transport for a packet whose ports are not known. Any rule whose
// other fields match, down to the first that asks for no ports, may be its own:
// the first of them that protects or discards gets it, else the first that is
// plain. A rule that bypasses some ports never does, or non-initial fragments
// would be the way around policy (RFC 4301, Section 7).
func (t *Tables) fragment(f packet.Flow) (*TransportRule, bool) {
	var lenient *TransportRule
	for i := range t.transport {
		r := &t.transport[i]
		if !r.Match.matchesButPorts(f) {
			continue
		}
		switch {
		case r.Action == Protect || r.Action == Discard:
			return r, true
		case r.Action == Plain && lenient == nil:
			lenient = r
		}
		if !r.Match.hasPorts() {
			if lenient == nil {
				lenient = r
			}
			break
		}
	}
	return lenient, lenient != nil
}

// Tunnel is the first tunnel rule that matches f and whose gateway is not
// skipped; a nil skip skips none. A fragment matches by what it shows: passing
// a rule by would let it out one layer short.
func (t *Tables) Tunnel(f packet.Flow, skip func(via string) bool) (*TunnelRule, bool) {
	for i := range t.tunnel {
		r := &t.tunnel[i]
		if !r.Match.Matches(f) && !(f.Frag && r.Match.matchesButPorts(f)) {
			continue
		}
		if skip == nil || !skip(r.Via) {
			return r, true
		}
	}
	return nil, false
}
