package policy

import "warren/packet"

// linear is the oracle of Tables: it walks the rules, as their meaning is
// written.
type linear struct {
	transport []TransportRule
	tunnel    []TunnelRule
}

// Transport is the place of the rule, or -1.
func (l linear) Transport(f packet.Flow) int {
	lenient := -1
	for i := range l.transport {
		r := &l.transport[i]
		switch {
		case !f.Frag && r.Match.Matches(f):
			return i
		case !f.Frag || !r.Match.matchesButPorts(f):
			continue
		case r.Action == Protect || r.Action == Discard:
			return i
		case r.Action == Plain && lenient < 0:
			lenient = i
		}
		if !r.Match.hasPorts() {
			if lenient < 0 {
				lenient = i
			}
			return lenient
		}
	}
	return lenient
}

// Tunnel is the place of the rule, or -1.
func (l linear) Tunnel(f packet.Flow, skip func(via string) bool) int {
	for i := range l.tunnel {
		r := &l.tunnel[i]
		if (r.Match.Matches(f) || f.Frag && r.Match.matchesButPorts(f)) && !skip(r.Via) {
			return i
		}
	}
	return -1
}
