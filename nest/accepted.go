package nest

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"warren/esp"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// An AcceptedChild is a child SA pair of a session that a peer opened with this
// node, as a gateway or a receiver, from the network.
type AcceptedChild struct {
	Layer             sa.Layer
	Peer              string // the identity it proved
	Mode              esp.Mode
	Encap             packet.Encap
	Suite             esp.Suite
	Local, Remote     netip.AddrPort // the path of its ESP
	Inner4, Inner6    netip.Addr     // what it was leased
	LocalTS, RemoteTS []policy.Selector
	SPIIn, SPIOut     esp.SPI
	Out               *sa.Outbound
}

// accepted is an AcceptedChild ready for the dataplane. Rekeys keep its link.
type accepted struct {
	AcceptedChild
	link   *Link
	bundle *Bundle
	info   *LayerInfo
	rekeys uint64
	limit  OuterMTU // learned from the path to its Remote; 0 is none
}

// acceptedTable finds accepted children by the destination of a packet, and by
// layer. It is persistent: with and without return a table that shares all but
// a few nodes with the old one, so views in use stay as they are.
type acceptedTable struct {
	byDst   *bart.Table[[]*accepted] // newest first
	byLayer *bart.Table[*accepted]   // see layerPrefix
}

// layerPrefix lets a trie of prefixes serve as the persistent map from layers
// that the standard library does not have.
func layerPrefix(id sa.Layer) netip.Prefix {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(id))
	return netip.PrefixFrom(netip.AddrFrom4(b), 32)
}

func (t acceptedTable) get(id sa.Layer) *accepted {
	if t.byLayer == nil {
		return nil
	}
	c, _ := t.byLayer.Get(layerPrefix(id))
	return c
}

func (t acceptedTable) layer(id sa.Layer) *LayerInfo {
	if c := t.get(id); c != nil {
		return c.info
	}
	return nil
}

// find is the bundle of the newest child, among those with the longest prefix,
// whose selectors allow f.
func (t acceptedTable) find(f packet.Flow) *Bundle {
	if t.byDst == nil {
		return nil
	}
	nearest, ok := t.byDst.Lookup(f.Dst)
	if !ok {
		return nil
	}
	if b := firstAllowing(nearest, f); b != nil {
		return b
	}
	host := netip.PrefixFrom(f.Dst, f.Dst.BitLen())
	for _, wider := range t.byDst.Supernets(host) {
		if b := firstAllowing(wider, f); b != nil {
			return b
		}
	}
	return nil
}

func firstAllowing(list []*accepted, f packet.Flow) *Bundle {
	for _, c := range list {
		if allows(c.LocalTS, c.RemoteTS, f) {
			return c.bundle
		}
	}
	return nil
}

// with is t with c as the newest child, in the place of one with its layer.
func (t acceptedTable) with(c *accepted) acceptedTable {
	t = t.without(c.Layer)
	if t.byDst == nil {
		t = acceptedTable{new(bart.Table[[]*accepted]), new(bart.Table[*accepted])}
	}
	for _, p := range policy.Prefixes(c.RemoteTS) {
		list, _ := t.byDst.Get(p)
		t.byDst = t.byDst.InsertPersist(p, slices.Concat([]*accepted{c}, list))
	}
	t.byLayer = t.byLayer.InsertPersist(layerPrefix(c.Layer), c)
	return t
}

func (t acceptedTable) without(id sa.Layer) acceptedTable {
	c := t.get(id)
	if c == nil {
		return t
	}
	for _, p := range policy.Prefixes(c.RemoteTS) {
		list, _ := t.byDst.Get(p)
		if len(list) == 1 {
			t.byDst = t.byDst.DeletePersist(p)
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(list), func(o *accepted) bool { return o == c })
		t.byDst = t.byDst.InsertPersist(p, rest)
	}
	t.byLayer = t.byLayer.DeletePersist(layerPrefix(id))
	return t
}

// all is every accepted child, by layer.
func (t acceptedTable) all() []*accepted {
	var list []*accepted
	if t.byLayer != nil {
		for _, c := range t.byLayer.AllSorted() {
			list = append(list, c)
		}
	}
	return list
}

// newAccepted compiles a child. It takes over the link and the count of rekeys
// of old, its predecessor or an older form of itself, if there is one, and what
// is known of the path if that is the same.
func newAccepted(c AcceptedChild, old *accepted, mtu OuterMTU) *accepted {
	link, rekeys, limit := new(Link), uint64(0), OuterMTU(0)
	if old != nil {
		link, rekeys = old.link, old.rekeys
		if old.Remote.Addr() == c.Remote.Addr() && old.Local.Addr() == c.Local.Addr() {
			limit = old.limit
		}
	}
	if limit != 0 {
		mtu = min(mtu, limit)
	}
	b := newBundle(c.Peer)
	b.Encap = c.Encap
	b.Local, b.Remote = c.Local, c.Remote
	b.Layers = []BundleLayer{{
		Link: link, Mode: c.Mode, Encap: c.Encap, Src: c.Local.Addr(), Dst: c.Remote.Addr(),
	}}
	w := Wrapping{c.Mode, c.Suite, c.Encap, c.Remote.Addr().Is6()}
	b.MTU = mtu.Inner(w)
	b.Headroom, b.Tailroom = room(w)
	link.Out.Store(c.Out)
	return &accepted{
		AcceptedChild: c, link: link, bundle: b, rekeys: rekeys, limit: limit,
		info: &LayerInfo{
			Layer: c.Layer, Mode: c.Mode, Accepted: true, Peer: c.Peer,
			LocalTS: c.LocalTS, RemoteTS: c.RemoteTS, Link: link,
		},
	}
}
