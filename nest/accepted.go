package nest

import (
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"warren/esp"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// An AcceptedChild is a child SA pair of a session that a peer opened with this
// node, as a gateway or a receiver: from the network, or through another layer that
// ends here.
type AcceptedChild struct {
	Layer, Via        sa.Layer
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
	info   LayerInfo // close to the bundle: packets need both, of many children
	bundle Bundle
	layer  [1]BundleLayer
	AcceptedChild
	link   *Link
	rekeys uint64
	limit  OuterMTU // learned from the path to its Remote; 0 is none
}

// A carrier is what the packets of a child travel in.
type carrier struct {
	bundle *Bundle  // of the layers outside it; nil: the network
	mtu    OuterMTU // for its packets
	depth  int      // how many layers are outside it
}

// acceptedTable finds accepted children by the destination of a packet, and by
// layer. It is persistent: with and without return a table that shares all but
// a few nodes with the old one, so views in use stay as they are.
type acceptedTable struct {
	byDst   *bart.Table[[]*accepted] // newest layer first
	byLayer layerMap
}

func (t acceptedTable) get(id sa.Layer) *accepted { return t.byLayer.get(id) }

func (t acceptedTable) layer(id sa.Layer) *LayerInfo {
	if c := t.get(id); c != nil {
		return &c.info
	}
	return nil
}

// find is the newest child, among those with the longest prefix, whose selectors
// allow f and that suits. What is inside a layer is newer than the layer.
func (t acceptedTable) find(f packet.Flow, suits func(*accepted) bool) *accepted {
	if t.byDst == nil {
		return nil
	}
	nearest, ok := t.byDst.Lookup(f.Dst)
	if !ok {
		return nil
	}
	if c := firstAllowing(nearest, f, suits); c != nil {
		return c
	}
	host := netip.PrefixFrom(f.Dst, f.Dst.BitLen())
	for _, wider := range t.byDst.Supernets(host) {
		if c := firstAllowing(wider, f, suits); c != nil {
			return c
		}
	}
	return nil
}

func firstAllowing(list []*accepted, f packet.Flow, suits func(*accepted) bool) *accepted {
	for _, c := range list {
		if allows(c.LocalTS, c.RemoteTS, f) && suits(c) {
			return c
		}
	}
	return nil
}

func anyChild(*accepted) bool { return true }

// with is t with c, in the place of one with its layer.
func (t acceptedTable) with(c *accepted) acceptedTable {
	t = t.without(c.Layer)
	if t.byDst == nil {
		t.byDst = new(bart.Table[[]*accepted])
	}
	for _, p := range policy.Prefixes(c.RemoteTS) {
		list, _ := t.byDst.Get(p)
		at := slices.IndexFunc(list, func(o *accepted) bool { return o.Layer < c.Layer })
		if at < 0 {
			at = len(list)
		}
		t.byDst = t.byDst.InsertPersist(p, slices.Insert(slices.Clone(list), at, c))
	}
	t.byLayer = t.byLayer.with(c.Layer, c)
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
	t.byLayer = t.byLayer.with(id, nil)
	return t
}

// all is every accepted child, by layer.
func (t acceptedTable) all() []*accepted {
	var list []*accepted
	t.byLayer.each(func(c *accepted) { list = append(list, c) })
	return list
}

// newAccepted compiles a child. It takes over the link and the count of rekeys
// of old, its predecessor or an older form of itself, if there is one, and what
// is known of the path if that is the same.
func newAccepted(c AcceptedChild, old *accepted, out carrier) *accepted {
	link, rekeys, limit, mtu := new(Link), uint64(0), OuterMTU(0), out.mtu
	if old != nil {
		link, rekeys = old.link, old.rekeys
		if old.Remote.Addr() == c.Remote.Addr() && old.Local.Addr() == c.Local.Addr() {
			limit = old.limit
		}
	}
	if limit != 0 {
		mtu = min(mtu, limit)
	}
	link.Out.Store(c.Out)
	a := &accepted{
		AcceptedChild: c, link: link, rekeys: rekeys, limit: limit,
		info: LayerInfo{
			Layer: c.Layer, Via: c.Via, Depth: out.depth + 1, Mode: c.Mode, Accepted: true, Peer: c.Peer,
			LocalTS: c.LocalTS, RemoteTS: c.RemoteTS, Link: link,
		},
	}
	a.compile(out.bundle)
	a.bundle.MTU = mtu.Inner(c.wrapping())
	return a
}

func (c *AcceptedChild) wrapping() Wrapping {
	return Wrapping{c.Mode, c.Suite, c.Encap, c.Remote.Addr().Is6()}
}

// compile makes the bundle that seals for a and what is outside it.
func (a *accepted) compile(outside *Bundle) {
	b := &a.bundle
	b.Chain = a.Peer
	b.Headroom, b.Tailroom = room(a.wrapping())
	a.layer[0] = BundleLayer{Link: a.link, Mode: a.Mode, Encap: a.Encap, Src: a.Local.Addr(), Dst: a.Remote.Addr()}
	if outside == nil {
		b.Encap, b.Ends = a.Encap, &packet.Ends{Local: a.Local, Remote: a.Remote}
		b.Layers = a.layer[:]
		return
	}
	a.layer[0].Header = header(a.Mode, a.Encap, a.Local, a.Remote)
	b.Encap, b.Ends = outside.Encap, outside.Ends
	b.Layers = append(a.layer[:1:1], outside.Layers...)
	b.Headroom += outside.Headroom
	b.Tailroom += outside.Tailroom
}
