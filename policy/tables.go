package policy

import "warren/packet"

// Tables are the transport and the tunnel rules of a node, in order. They are
// immutable: a change makes new Tables that share most of the index with the
// old ones.
type Tables struct {
	transport *table[TransportRule]
	tunnel    *table[TunnelRule]
	gateways  map[string]uint32 // classes of tunnel rules
	def       Action
}

// NewTables copies the rules. def, Bypass or Discard, is for flows that no
// transport rule matches.
func NewTables(transport []TransportRule, tunnel []TunnelRule, def Action) *Tables {
	gateways := make(map[string]uint32)
	for i := range tunnel {
		addGateway(gateways, tunnel[i].Via)
	}
	return &Tables{
		transport: newTable(transport, kind[TransportRule]{matchOfTransport, classOfTransport}),
		tunnel:    newTable(tunnel, tunnelKind(gateways)),
		gateways:  gateways,
		def:       def,
	}
}

func addGateway(m map[string]uint32, via string) {
	if _, known := m[via]; !known {
		m[via] = uint32(len(m))
	}
}

func matchOfTransport(r *TransportRule) *Match { return &r.Match }

// classOfTransport is what fragment tells rules apart by.
func classOfTransport(r *TransportRule) uint32 {
	if r.Match.hasPorts() {
		return uint32(r.Action)<<1 | 1
	}
	return uint32(r.Action) << 1
}

// tunnelKind tells rules apart by what Tunnel may skip.
func tunnelKind(gateways map[string]uint32) kind[TunnelRule] {
	return kind[TunnelRule]{
		match: func(r *TunnelRule) *Match { return &r.Match },
		class: func(r *TunnelRule) uint32 { return gateways[r.Via] },
	}
}

// Default is the verdict on flows that no transport rule matches.
func (t *Tables) Default() Action { return t.def }

// Transports are the transport rules in order. The caller must not change them.
func (t *Tables) Transports() []TransportRule { return t.transport.inOrder() }

// Tunnels are the tunnel rules in order. The caller must not change them.
func (t *Tables) Tunnels() []TunnelRule { return t.tunnel.inOrder() }

// Transport is the first transport rule that matches f. A non-initial fragment
// gets the strictest rule it could belong to. The rule is Transports' own, not a
// copy, if Transports was called before.
func (t *Tables) Transport(f packet.Flow) (*TransportRule, bool) {
	if f.Frag {
		return t.transport.rule(t.fragment(&f))
	}
	return t.transport.rule(t.transport.find(&f, nil))
}

// fragment is the place of the rule for a packet whose ports are not known. Any
// rule whose other fields match, down to the first that asks for no ports, may
// be its own: the first of them that protects or discards gets it, else the
// first that is plain. A rule that bypasses some ports never does, or
// non-initial fragments would be the way around policy (RFC 4301, Section 7).
func (t *Tables) fragment(f *packet.Flow) uint32 {
	first := func(accept func(*TransportRule) bool) uint32 {
		return t.transport.find(f, func(number uint32) bool { return accept(t.transport.rules[number]) })
	}
	whole := first(func(r *TransportRule) bool { return !r.Match.hasPorts() })
	strict := first(func(r *TransportRule) bool { return r.Action == Protect || r.Action == Discard })
	if strict != none && strict <= whole {
		return strict
	}
	return min(whole, first(func(r *TransportRule) bool { return r.Action == Plain }))
}

// Tunnel is the first tunnel rule that matches f and whose gateway is not
// skipped; a nil skip skips none. A fragment matches by what it shows: passing
// a rule by would let it out one layer short. skip may be asked about rules
// behind the one that is found.
func (t *Tables) Tunnel(f packet.Flow, skip func(via string) bool) (*TunnelRule, bool) {
	if skip == nil {
		return t.tunnel.rule(t.tunnel.find(&f, nil))
	}
	return t.tunnel.rule(t.tunnel.find(&f, func(number uint32) bool { return !skip(t.tunnel.rules[number].Via) }))
}
