package policy

import (
	"net/netip"
	"slices"
	"time"

	"warren/packet"
)

// Action is what a transport rule does with the flows it matches. The zero
// value refuses: a rule that forgot its action lets nothing out.
type Action uint8

// The actions of a transport rule.
const (
	Discard Action = iota // drop the packet
	Bypass                // leave it alone: no layer at all
	Plain                 // no layer of its own, but tunnel rules apply
	Protect               // ESP transport mode with a peer, then tunnel rules
)

// String is the action's word in the config.
func (a Action) String() string {
	switch a {
	case Discard:
		return "discard"
	case Bypass:
		return "bypass"
	case Plain:
		return "plain"
	case Protect:
		return "protect"
	}
	return "unknown"
}

// Start says when a chain is built.
type Start uint8

// When a chain is built.
const (
	OnDemand Start = iota // by the first packet
	Now                   // by the daemon's start, and again whenever it is lost
)

// String is the word in the config.
func (s Start) String() string {
	if s == Now {
		return "now"
	}
	return "on-demand"
}

// A Match is the left side of a rule. Each empty list stands for everything;
// a flow matches if every field does.
type Match struct {
	Src, Dst           []netip.Prefix // masked and unmapped
	Proto              []uint8
	SrcPorts, DstPorts []Ports
}

// A TransportRule says what happens to a packet itself.
type TransportRule struct {
	Name   string // its chains are named after it
	Match  Match
	Action Action
	Peer   string // whom Protect's association is with
	Start  Start
	Idle   time.Duration // a chain unused for so long is taken down; 0 is never
	Pos    string        // file:line:column, for messages
}

// A TunnelRule says through which gateway a packet goes.
type TunnelRule struct {
	Match Match
	Via   string // the gateway's name
	Pos   string // file:line:column, for messages
}

// Matches reports whether f matches m. The ports of a non-initial fragment are
// not known: it matches only where m does not ask for ports.
func (m *Match) Matches(f packet.Flow) bool {
	if !m.matchesButPorts(f) {
		return false
	}
	if !m.hasPorts() {
		return true
	}
	return !f.Frag && inPorts(m.SrcPorts, f.SrcPort) && inPorts(m.DstPorts, f.DstPort)
}

// matchesButPorts is the part of Matches that a fragment can answer.
func (m *Match) matchesButPorts(f packet.Flow) bool {
	return inPrefixes(m.Src, f.Src) && inPrefixes(m.Dst, f.Dst) &&
		(len(m.Proto) == 0 || slices.Contains(m.Proto, f.Proto))
}

func (m *Match) hasPorts() bool { return len(m.SrcPorts) > 0 || len(m.DstPorts) > 0 }

func inPrefixes(ps []netip.Prefix, a netip.Addr) bool {
	if len(ps) == 0 {
		return true
	}
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func inPorts(rs []Ports, port uint16) bool {
	if len(rs) == 0 {
		return true
	}
	for _, r := range rs {
		if r.Contains(port) {
			return true
		}
	}
	return false
}

// DstSelectors are the destinations of m, with their protocols and ports.
func (m *Match) DstSelectors() []Selector {
	return m.product(addresses(m.Dst), m.DstPorts)
}

// HostSelectors are the two sides of an SA between one local and one remote
// address for the protocols and ports of m. An invalid address has none.
func (m *Match) HostSelectors(local, remote netip.Addr) (localTS, remoteTS []Selector) {
	if local.IsValid() {
		localTS = m.product([]Selector{AddrSelector(local)}, m.SrcPorts)
	}
	if remote.IsValid() {
		remoteTS = m.product([]Selector{AddrSelector(remote)}, m.DstPorts)
	}
	return localTS, remoteTS
}

// product narrows each of sel to each protocol of m and each of ports.
func (m *Match) product(sel []Selector, ports []Ports) []Selector {
	protos := m.Proto
	if len(protos) == 0 {
		protos = []uint8{0}
	}
	if len(ports) == 0 {
		ports = []Ports{AnyPorts()}
	}
	var out []Selector
	for _, s := range sel {
		for _, s.Proto = range protos {
			for _, s.Ports = range ports {
				out = append(out, s)
			}
		}
	}
	return out
}
