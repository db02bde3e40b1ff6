package policy

import "warren/packet"

// Tables are the transport and the tunnel rules of a node, in order. They are
// immutable: a change makes new Tables that share most of the index with the
// old ones.
type Tables struct {
	transport *table[TransportRule]
	tunnel    *table[TunnelRule]
	gateways  gateways
	def       Action
}

// NewTables copies the rules. def, Bypass or Discard, is for flows that no
// transport rule matches.
func NewTables(transport []TransportRule, tunnel []TunnelRule, def Action) *Tables {
	vias := make([]string, len(tunnel))
	for i := range tunnel {
		vias[i] = tunnel[i].Via
	}
	g := gateways{}.with(vias...)
	return &Tables{
		transport: newTable(transport, kind[TransportRule]{matchOfTransport, classOfTransport}),
		tunnel:    newTable(tunnel, g.kind()),
		gateways:  g,
		def:       def,
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

// classAction is the inverse.
func classAction(class uint32) (a Action, ports bool) { return Action(class >> 1), class&1 != 0 }

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
	plain := uint32(none)
	first := t.transport.find(f, func(class, rank uint32) bool {
		a, ports := classAction(class)
		if ports && a == Plain {
			plain = min(plain, rank)
		}
		return !ports || a == Protect || a == Discard
	})
	if first != none {
		if a := t.transport.rules[t.transport.numbers[first]].Action; a == Protect || a == Discard {
			return first
		}
	}
	return min(first, plain)
}

// Tunnel is the first tunnel rule that matches f and whose gateway is not
// skipped; a nil skip skips none. A fragment matches by what it shows: passing
// a rule by would let it out one layer short. skip may be asked about rules
// behind the one that is found.
func (t *Tables) Tunnel(f packet.Flow, skip func(via string) bool) (*TunnelRule, bool) {
	if skip == nil {
		return t.tunnel.rule(t.tunnel.find(&f, nil))
	}
	return t.tunnel.rule(t.tunnel.find(&f, func(class, _ uint32) bool { return !skip(t.gateways.names[class]) }))
}
