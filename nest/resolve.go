package nest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"warren/esp"
	"warren/packet"
	"warren/policy"
)

// A Peer is what resolution and MTU sums have to know of a gateway or receiver.
type Peer struct {
	Name       string
	Addrs      []netip.Addr // at least one; the first one of a gateway is used
	VirtualIP4 bool         // it is asked to lease an address
	VirtualIP6 bool
	Source     netip.Addr        // of packets to it where nothing was leased; may be invalid
	RemoteTS   []policy.Selector // what its tunnel is for; empty is everything

	// Encap and Suite are assumed where nothing was negotiated yet.
	Encap packet.Encap
	Suite esp.Suite
}

// A Resolved is the outcome of a resolution.
type Resolved uint8

// The outcomes of a resolution.
const (
	ResolvedDiscard Resolved = iota
	ResolvedBypass
	ResolvedChain
)

// String is the outcome's word.
func (v Resolved) String() string { return [...]string{"discard", "bypass", "chain"}[v] }

// A Step is one look-up of a resolution.
type Step struct {
	Before packet.Flow
	Rule   string // name of the transport rule, "via sg1" of a tunnel rule
	Pos    string // of the rule
	Via    string // the gateway; empty for the transport rule
	After  packet.Flow
}

// A Resolution is what the rules want done with a flow.
type Resolution struct {
	Verdict Resolved
	Rule    *policy.TransportRule // nil where the default decided
	Steps   []Step
	Pending Stack // of ResolvedChain, never empty
	Key     Key   // of ResolvedChain
}

// A Key is the identity of a chain: its rule and its stack.
type Key string

func newKey(rule *policy.TransportRule, pending *Stack) Key {
	var b strings.Builder
	b.WriteString(rule.Name)
	for _, a := range pending.Actions() {
		fmt.Fprintf(&b, "|%d:%s@%v", a.Kind, a.Peer, a.Addr)
	}
	return Key(b.String())
}

// DefaultDepth is how many tunnels a chain may have where nothing else is said.
const DefaultDepth = 8

// A Resolver finds the pending stack of a flow. It is immutable.
type Resolver struct {
	tables *policy.Tables
	peers  map[string]*Peer
	depth  int
}

// NewResolver returns a resolver for chains of up to depth tunnels; zero is
// DefaultDepth.
func NewResolver(t *policy.Tables, peers []Peer, depth int) *Resolver {
	r := &Resolver{tables: t, peers: make(map[string]*Peer, len(peers)), depth: depth}
	if depth == 0 {
		r.depth = DefaultDepth
	}
	for _, p := range slices.Clone(peers) {
		r.peers[p.Name] = &p
	}
	return r
}

// Peer is the peer of that name, or nil. The caller must not change it.
func (r *Resolver) Peer(name string) *Peer { return r.peers[name] }

// Tables are the rules.
func (r *Resolver) Tables() *policy.Tables { return r.tables }

// Resolve finds the transport rule of f, then again and again the tunnel rule
// that the packet, rewritten to each gateway in turn, needs next. Only the
// destination is rewritten: the rest of the 5-tuple stays and names the
// original traffic. The error is a *CycleError, a *DepthError or a *PeerError.
func (r *Resolver) Resolve(f packet.Flow) (Resolution, error) {
	rule, ok := r.tables.Transport(f)
	if !ok {
		return Resolution{Verdict: verdictOf(r.tables.Default())}, nil
	}
	res := Resolution{Rule: rule, Verdict: verdictOf(rule.Action)}
	res.Steps = append(res.Steps, Step{Before: f, Rule: rule.Name, Pos: rule.Pos, After: f})
	if res.Verdict != ResolvedChain {
		return res, nil
	}
	if err := r.pushTransport(&res, f); err != nil {
		return res, err
	}
	if err := r.pushTunnels(&res, f); err != nil {
		return res, err
	}
	if res.Pending.Len() == 0 {
		res.Verdict = ResolvedBypass // plain, and no tunnel rule wants it
		return res, nil
	}
	res.Key = newKey(rule, &res.Pending)
	return res, nil
}

func verdictOf(a policy.Action) Resolved {
	switch a {
	case policy.Bypass:
		return ResolvedBypass
	case policy.Plain, policy.Protect:
		return ResolvedChain
	}
	return ResolvedDiscard
}

// pushTransport pushes the rule's own action. The association is with the very
// address that the packet goes to, so that address must be the peer's.
func (r *Resolver) pushTransport(res *Resolution, f packet.Flow) error {
	if res.Rule.Action != policy.Protect {
		return nil
	}
	p := r.peers[res.Rule.Peer]
	if p == nil || !slices.Contains(p.Addrs, f.Dst) {
		return &PeerError{Rule: res.Rule.Name, Pos: res.Rule.Pos, Peer: res.Rule.Peer, Dst: f.Dst}
	}
	res.Pending.Push(Action{TransportAction, p.Name, f.Dst, res.Rule.Name})
	return nil
}

func (r *Resolver) pushTunnels(res *Resolution, f packet.Flow) error {
	for {
		rule, ok := r.tables.Tunnel(f, func(via string) bool { return r.own(via, f.Dst) })
		if !ok {
			return nil
		}
		p := r.peers[rule.Via]
		if p == nil || len(p.Addrs) == 0 {
			return &PeerError{Rule: "via " + rule.Via, Pos: rule.Pos, Peer: rule.Via}
		}
		after := f
		after.Dst = p.Addrs[0]
		step := Step{Before: f, Rule: "via " + rule.Via, Pos: rule.Pos, Via: p.Name, After: after}
		if err := r.admit(res, step); err != nil {
			return err
		}
		res.Steps = append(res.Steps, step)
		res.Pending.Push(Action{Kind: TunnelAction, Peer: p.Name, Addr: after.Dst})
		f = after
	}
}

// own reports whether dst is the gateway itself: a tunnel to a gateway cannot
// carry the packets that make up this tunnel.
func (r *Resolver) own(via string, dst netip.Addr) bool {
	p := r.peers[via]
	return p != nil && slices.Contains(p.Addrs, dst)
}

// admit refuses a step to a gateway that the resolution has been at, and one
// that is too deep.
func (r *Resolver) admit(res *Resolution, next Step) error {
	tunnels := 0
	for _, s := range res.Steps {
		if s.Via == next.Via {
			return &CycleError{Gateway: next.Via, Steps: append(slices.Clone(res.Steps), next)}
		}
		if s.Via != "" {
			tunnels++
		}
	}
	if tunnels >= r.depth {
		return &DepthError{Limit: r.depth, Steps: append(slices.Clone(res.Steps), next)}
	}
	return nil
}

// A CycleError says that a gateway comes up twice in one resolution.
type CycleError struct {
	Gateway string
	Steps   []Step // the last one is the second time
}

func (e *CycleError) Error() string {
	return fmt.Sprintf("nest: gateway %s would be reached through itself: %s", e.Gateway, trail(e.Steps))
}

// A DepthError says that a flow needs more tunnels than the limit.
type DepthError struct {
	Limit int
	Steps []Step // the last one is past the limit
}

func (e *DepthError) Error() string {
	return fmt.Sprintf("nest: more than %d tunnels: %s", e.Limit, trail(e.Steps))
}

// A PeerError says that a rule names a peer that cannot serve it: one that is
// unknown or, if Dst is valid, one whose address that destination is not.
type PeerError struct {
	Rule, Pos, Peer string
	Dst             netip.Addr
}

func (e *PeerError) Error() string {
	if e.Dst.IsValid() {
		return fmt.Sprintf("nest: %s matches %v, which is no address of peer %s", at(e.Rule, e.Pos), e.Dst, e.Peer)
	}
	return fmt.Sprintf("nest: %s names the unknown peer %s", at(e.Rule, e.Pos), e.Peer)
}

// trail names the rules of steps, with their places.
func trail(steps []Step) string {
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = at(s.Rule, s.Pos)
	}
	return strings.Join(words, ", then ")
}

func at(rule, pos string) string {
	if pos == "" {
		return "rule " + rule
	}
	return fmt.Sprintf("rule %s (%s)", rule, pos)
}
