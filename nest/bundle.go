package nest

import (
	"net/netip"
	"sync/atomic"

	"warren/esp"
	"warren/packet"
	"warren/sa"
)

// A Link is where the dataplane finds the outbound SA of a node, and counts
// what the node carries. It lives as long as its node: a rekey is one store.
type Link struct {
	Out        atomic.Pointer[sa.Outbound]
	PacketsIn  atomic.Uint64
	BytesIn    atomic.Uint64
	PacketsOut atomic.Uint64
	BytesOut   atomic.Uint64

	// Order is of the outermost link of a bundle: what is sealed for that goes
	// by it.
	Order Order
}

// A Bundle is a chain compiled for the dataplane. It is immutable but for its
// counters and the SAs behind its links.
//
// A gateway has many, of which every packet may need another: what all packets
// need comes first, to take few cache lines.
type Bundle struct {
	Layers []BundleLayer // innermost first

	// Used counts packets that traffic, not IKE, sent by this bundle. All
	// bundles of one chain count on the same one. It may be nil.
	Used *atomic.Uint64

	// MTU is the largest inner packet that needs no fragmentation anywhere.
	MTU InnerMTU

	// Encap and Ends are for the underlay, which adds the headers of the outermost
	// layer. Without UDP the ports are zero. Packets point to Ends, which are
	// apart for them not to keep the keys behind Layers.
	Encap packet.Encap
	*packet.Ends

	// A packet from Own leaves as one from Lease, and the other way round
	// inbound. Where Lease is invalid nothing is translated.
	Own4, Own6, Lease4, Lease6 netip.Addr

	// Headroom and Tailroom are what all layers together may need in front of
	// and behind an inner packet.
	Headroom, Tailroom int

	Chain string // name, for messages
}

// A BundleLayer is one ESP encapsulation.
type BundleLayer struct {
	Link  *Link
	Mode  esp.Mode
	Encap packet.Encap

	// Header is what goes before the ESP packet: an IP header and, with
	// EncapUDP, a UDP header, with lengths, ID and checksums left to the
	// dataplane. In transport mode the packet has its IP header, so there is
	// only UDP. The outermost layer has none: the underlay adds it.
	Header []byte

	Src, Dst netip.Addr // of the outer header
}

// Touch brings what is beside Layers into the processor's cache, see
// [esp.Sealer.Touch].
func (b *Bundle) Touch() uint64 {
	return uint64(b.Local.Port()) + uint64(b.Remote.Port()) + uint64(b.Own6.BitLen())
}

// Translate is the source address with which a packet from src leaves.
func (b *Bundle) Translate(src netip.Addr) netip.Addr {
	switch {
	case src == b.Own4 && b.Lease4.IsValid():
		return b.Lease4
	case src == b.Own6 && b.Lease6.IsValid():
		return b.Lease6
	}
	return src
}
