package nest

import (
	"net/netip"

	"warren/esp"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// A Verdict is what to do with a packet that left the TUN.
type Verdict uint8

// The verdicts of a Decision.
const (
	Refused     Verdict = iota // drop it, for the Decision's Drop
	Send                       // seal and send it with the Bundle
	Hold                       // keep it under Key: its chain has to be built
	Unreachable                // answer with ICMP: its chain has failed
	Discard                    // a rule, or the default, says so
	Bypass                     // no layer at all
)

// String names the verdict for messages.
func (v Verdict) String() string {
	return [...]string{"refused", "send", "hold", "unreachable", "discard", "bypass"}[v]
}

// A Decision is a Verdict with what is needed to carry it out. It holds for as
// long as the View it came from is the newest.
type Decision struct {
	Verdict Verdict
	Drop    packet.Drop // of Refused, Unreachable and Discard
	Bundle  *Bundle     // of Send
	Key     Key         // the chain, of Send, Hold and Unreachable
}

// LayerInfo is what the dataplane needs to deliver what came out of a layer. What
// all packets of an accepted one need comes first, to take one cache line.
type LayerInfo struct {
	Link        *Link // for the inbound counters
	Layer, Via  sa.Layer
	Mode        esp.Mode
	Accepted    bool // a peer opened it and has the leases, if any; else this node did
	HasChildren bool // something is or is being built inside, or came through it
	Depth       int  // 1 is outermost

	// A packet to Lease is delivered as one to Own, where Lease is valid.
	Lease4, Lease6, Own4, Own6 netip.Addr

	// Inner are this node's own addresses inside the layer, if it is not
	// Accepted. ESP and IKE to one of them go round again.
	Inner []netip.Addr

	Peer              string
	LocalTS, RemoteTS []policy.Selector
}

// IsInner reports whether a is this node's own address inside the layer.
func (l *LayerInfo) IsInner(a netip.Addr) bool {
	for _, own := range l.Inner {
		if own == a {
			return true
		}
	}
	return false
}

// Deliver is the address to which a packet to dst is delivered.
func (l *LayerInfo) Deliver(dst netip.Addr) netip.Addr {
	switch {
	case l.Accepted:
		return dst
	case dst == l.Lease4 && l.Own4.IsValid():
		return l.Own4
	case dst == l.Lease6 && l.Own6.IsValid():
		return l.Own6
	}
	return dst
}

// A View is what the dataplane works by: immutable, published whole. The zero
// View refuses everything.
type View struct {
	resolver *Resolver
	chains   map[Key]chainView
	bundles  map[sa.Layer]*Bundle // tunnels up to and with this one
	layers   map[sa.Layer]*LayerInfo
	accepted acceptedTable
	nested   bool // something accepted is inside another layer
	listens  map[netip.Addr]bool
}

// chainView is a chain as packets see it.
type chainView struct {
	verdict           Verdict // Send, Hold or Unreachable
	bundle            *Bundle
	localTS, remoteTS []policy.Selector // of the innermost layer
	layer             sa.Layer          // the innermost; sa.Network if it does not stand
}

// Layer is what is known of a layer; nil if there is no such layer (any more).
func (v *View) Layer(id sa.Layer) *LayerInfo {
	if l := v.layers[id]; l != nil {
		return l
	}
	return v.accepted.layer(id)
}

// Bundle carries packets of this node's own, IKE of the next layer, through a
// tunnel and all those outside it. Nothing is translated. It is nil for
// sa.Network and for a layer that carries nothing.
func (v *View) Bundle(id sa.Layer) *Bundle {
	if b := v.bundles[id]; b != nil {
		return b
	}
	if c := v.accepted.get(id); c != nil && c.Mode == esp.Tunnel {
		return &c.bundle
	}
	return nil
}

// Listens reports whether peers may open sessions with this node at a. ESP and IKE
// to such an address that come out of an accepted tunnel are for the next layer.
func (v *View) Listens(a netip.Addr) bool { return v.listens[a] }

// Decide says what to do with a packet of flow f that left the TUN: sessions
// that peers opened come first, by destination, then the rules. It allocates
// only when it has to resolve; workers cache the answer per flow.
func (v *View) Decide(f packet.Flow) Decision {
	if c := v.accepted.find(f, anyChild); c != nil {
		return Decision{Verdict: Send, Bundle: &c.bundle}
	}
	if v.resolver == nil {
		return Decision{Verdict: Refused, Drop: packet.NoRule}
	}
	r, err := v.resolver.Resolve(f)
	if err != nil {
		return Decision{Verdict: Refused, Drop: refusal(err)}
	}
	switch r.Verdict {
	case ResolvedBypass:
		return Decision{Verdict: Bypass, Drop: packet.BypassOnTUN}
	case ResolvedDiscard:
		return Decision{Verdict: Discard, Drop: discardDrop(r.Rule)}
	}
	return v.decideChain(r.Key, f)
}

// Expects is the layer that the answers to packets of flow f must come out of,
// where those at hand came out of from. A child that a peer opened through that
// layer, and whose selectors allow f, is to be used for it. Otherwise what a peer
// opened is as good as its selectors, and of this node's own layers it must be the
// innermost of the chain that the rules want for f: sa.Network where they want none,
// or it does not stand. What a peer of an outer layer sends in the name of somebody
// further in shows by it: the selectors alone would let it pass (RFC 4301, Section
// 5.2).
func (v *View) Expects(f packet.Flow, from sa.Layer) sa.Layer {
	if c := v.innerFor(f, from); c != nil {
		return c.Layer
	}
	if v.accepted.get(from) != nil {
		return from
	}
	if v.resolver == nil {
		return sa.Network
	}
	r, err := v.resolver.Resolve(f)
	if err != nil || r.Verdict != ResolvedChain {
		return sa.Network
	}
	return v.chains[r.Key].layer
}

// innerFor is the child, among those that came through the layer from or through
// what is inside that, whose selectors allow f.
func (v *View) innerFor(f packet.Flow, from sa.Layer) *accepted {
	if !v.nested {
		return nil
	}
	return v.accepted.find(f, func(c *accepted) bool { return v.within(c.Via, from) })
}

// within reports whether layer is outer, or inside it.
func (v *View) within(layer, outer sa.Layer) bool {
	for layer != sa.Network && layer != outer {
		l := v.Layer(layer)
		if l == nil {
			return false
		}
		layer = l.Via
	}
	return layer == outer
}

// refusal is the Drop for a flow that cannot be resolved.
func refusal(err error) packet.Drop {
	if _, wrongPeer := err.(*PeerError); wrongPeer {
		return packet.Selector
	}
	return packet.Depth
}

func discardDrop(r *policy.TransportRule) packet.Drop {
	if r == nil {
		return packet.NoRule
	}
	return packet.Discard
}

func (v *View) decideChain(key Key, f packet.Flow) Decision {
	c, known := v.chains[key]
	switch {
	case !known:
		return Decision{Verdict: Hold, Key: key}
	case c.verdict == Unreachable:
		return Decision{Verdict: Unreachable, Drop: packet.Unreachable, Key: key}
	case c.verdict == Hold:
		return Decision{Verdict: Hold, Key: key}
	case !c.carries(f):
		return Decision{Verdict: Refused, Drop: packet.Selector, Key: key}
	}
	return Decision{Verdict: Send, Bundle: c.bundle, Key: key}
}

// carries reports whether f, with its source translated, is within the
// selectors of the innermost layer (RFC 4301, Section 5.1).
func (c *chainView) carries(f packet.Flow) bool {
	f.Src = c.bundle.Translate(f.Src)
	return allows(c.localTS, c.remoteTS, f)
}

// allows reports whether an outbound packet of flow f is within the selectors
// of an SA.
func allows(localTS, remoteTS []policy.Selector, f packet.Flow) bool {
	if f.Frag {
		return policy.CoversFragment(localTS, f.Src, f.Proto) &&
			policy.CoversFragment(remoteTS, f.Dst, f.Proto)
	}
	return policy.Covers(localTS, f.Src, f.Proto, f.SrcPort) &&
		policy.Covers(remoteTS, f.Dst, f.Proto, f.DstPort)
}
