package nest

import (
	"net/netip"
	"slices"

	"warren/esp"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// nodeState is where a node is between its creation and its end.
type nodeState uint8

const (
	building nodeState = iota // an Establish is out, Done or Failed will come
	standing                  // its child SA is installed
	leaving                   // a TearDown is out, Gone will come
	lost                      // it died under its children; it goes when they are gone
)

// A Node is one tunnel of the tree, or one transport association, which is
// always a leaf. It belongs to the Manager's goroutine.
type Node struct {
	ID     sa.Layer
	Parent *Node // nil: the network
	Action Action
	Depth  int // 1 is outermost

	// Local is where its outer packets come from: the address that the parent
	// leased, or the peer's source, or the host's own (DESIGN, section 4).
	// Invalid leaves the choice to whoever establishes it.
	Local netip.Addr

	// LocalTS and RemoteTS are to be proposed. An empty LocalTS means the
	// virtual address that the peer will lease.
	LocalTS, RemoteTS []policy.Selector

	peer     *Peer
	state    nodeState
	built    bool // it was established, at some time
	refs     []*chain
	children []*Node
	result   Established
	link     *Link
	rekeys   uint64
	reauths  uint64
	trouble  string   // why it was not authenticated anew
	limit    OuterMTU // learned from the path; 0 is none
	chain    string   // the chain that made it, or left it last, for events
	reason   string   // why it was lost
	deaf     bool     // its TearDown said that it is not reachable
}

// Via is the layer that carries it.
func (n *Node) Via() sa.Layer {
	if n.Parent == nil {
		return sa.Network
	}
	return n.Parent.ID
}

// Mode is the mode of its SAs.
func (n *Node) Mode() esp.Mode { return n.Action.Kind.Mode() }

// Link is where the dataplane finds its outbound SA.
func (n *Node) Link() *Link { return n.link }

// Result is what was negotiated; zero until it is established.
func (n *Node) Result() Established { return n.result }

// An Established is what the establishment of a node brought.
type Established struct {
	Local, Remote         netip.Addr // of the outer header
	LocalPort, RemotePort uint16     // of EncapUDP; zero means 4500
	Inner4, Inner6        netip.Addr // leased to this node
	LocalTS, RemoteTS     []policy.Selector
	Encap                 packet.Encap
	Suite                 esp.Suite
	SPIIn, SPIOut         esp.SPI
	Out                   *sa.Outbound // stored in the node's Link
}

const nattPort = 4500 // RFC 3948, Section 2.1

func (e *Established) local() netip.AddrPort  { return endpoint(e.Local, e.LocalPort, e.Encap) }
func (e *Established) remote() netip.AddrPort { return endpoint(e.Remote, e.RemotePort, e.Encap) }

func endpoint(a netip.Addr, port uint16, encap packet.Encap) netip.AddrPort {
	switch {
	case encap != packet.EncapUDP:
		port = 0
	case port == 0:
		port = nattPort
	}
	return netip.AddrPortFrom(a, port)
}

// remote is where its peer is.
func (n *Node) remote() netip.Addr {
	if n.built {
		return n.result.Remote
	}
	return n.Action.Addr
}

// lease is what the node's gateway leased for the family of a.
func (n *Node) lease(a netip.Addr) netip.Addr {
	if a.Is4() {
		return n.result.Inner4
	}
	return n.result.Inner6
}

// event tells of the node.
func (n *Node) event(kind EventKind, state State, reason string) Event {
	return Event{
		Kind: kind, Chain: n.chain, Layer: n.Depth, ID: n.ID, Peer: n.Action.Peer, Mode: n.Mode(),
		State: state, Reason: reason, SPIIn: n.result.SPIIn, SPIOut: n.result.SPIOut,
	}
}

// hold gives c a reference; drop takes it back.
func (n *Node) hold(c *chain) {
	if !slices.Contains(n.refs, c) {
		n.refs = append(n.refs, c)
	}
}

func (n *Node) drop(c *chain) {
	n.refs = slices.DeleteFunc(n.refs, func(o *chain) bool { return o == c })
	n.chain = c.name
}

// reachable reports whether packets get to its peer: all tunnels outside it
// stand.
func (n *Node) reachable() bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.state == lost {
			return false
		}
	}
	return true
}

// path is the node and those outside it, innermost first: the order in which a
// packet is sealed.
func (n *Node) path() []*Node {
	var path []*Node
	for ; n != nil; n = n.Parent {
		path = append(path, n)
	}
	return path
}

// wrapping is what the node does to a packet, as negotiated or, before that, as
// assumed.
func (n *Node) wrapping() Wrapping {
	w := Wrapping{n.Mode(), n.peer.Suite, n.peer.Encap, n.Action.Addr.Is6()}
	if n.built {
		w.Suite, w.Encap = n.result.Suite, n.result.Encap
	}
	return w
}

// mtu is the largest packet that fits into the node, given the network's.
func (n *Node) mtu(network OuterMTU) InnerMTU {
	outer := network
	if n.Parent != nil {
		outer = n.Parent.mtu(network).Outer()
	}
	if n.limit != 0 {
		outer = min(outer, n.limit)
	}
	return outer.Inner(n.wrapping())
}
