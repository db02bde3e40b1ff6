package nest

import (
	"net/netip"
	"sync/atomic"

	"warren/esp"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// compile makes the view of this moment.
func (m *Manager) compile() *View {
	v := &View{
		resolver: m.opt.Resolver,
		chains:   make(map[Key]chainView, len(m.chains)),
		bundles:  make(map[sa.Layer]*Bundle),
		layers:   make(map[sa.Layer]*LayerInfo),
		listens:  m.listens,
		nested:   len(m.inside) > 0,
	}
	for _, n := range m.tree.inward() {
		if n.state != standing {
			continue
		}
		v.layers[n.ID] = m.layerInfo(n)
		if n.Action.Kind == TunnelAction {
			v.bundles[n.ID] = Compile(n, m.opt.PathMTU)
		}
		m.recompile(n.ID)
	}
	v.accepted = m.accepted
	for _, c := range m.chains {
		v.chains[c.key] = m.chainView(c)
	}
	return v
}

func (m *Manager) chainView(c *chain) chainView {
	fate := c.fate()
	if m.closed && fate != Send {
		fate = Unreachable
	}
	if fate != Send {
		return chainView{verdict: fate, layer: m.innermost(c)}
	}
	last := c.completed.Top()
	b := Compile(last, m.opt.PathMTU)
	b.Chain, b.Used = c.name, c.used
	b.Own4, b.Own6 = m.opt.Own4, m.opt.Own6
	b.Lease4, b.Lease6 = m.leases(last)
	return chainView{fate, b, last.result.LocalTS, last.result.RemoteTS, last.ID}
}

// innermost is the last layer of a chain. It may stand although the chain is not
// up, for the sake of another that goes further.
func (m *Manager) innermost(c *chain) sa.Layer {
	n := c.completed.Top()
	for _, a := range c.pending.Actions() {
		if n = m.tree.find(n, a); n == nil || n.state != standing {
			return sa.Network
		}
	}
	if n == nil || n.state != standing {
		return sa.Network
	}
	return n.ID
}

// leases are the addresses that packets inside n carry instead of this node's
// own.
func (m *Manager) leases(n *Node) (v4, v6 netip.Addr) {
	for _, own := range []netip.Addr{m.opt.Own4, m.opt.Own6} {
		if !own.IsValid() {
			continue
		}
		if a := n.source(own); own.Is4() {
			v4 = a
		} else {
			v6 = a
		}
	}
	return v4, v6
}

// source is the address inside n that stands for own: the end of a transport
// association, what a gateway leased, or where it leased nothing the local
// address of its tunnel if own is not among the selectors. Invalid is own
// itself.
func (n *Node) source(own netip.Addr) netip.Addr {
	e := &n.result
	var a netip.Addr
	switch {
	case n.Action.Kind == TransportAction:
		a = e.Local
	case n.lease(own).IsValid():
		a = n.lease(own)
	case !policy.CoversAddr(e.LocalTS, own) && policy.CoversAddr(e.LocalTS, e.Local):
		a = e.Local
	}
	if !a.IsValid() || a == own || a.Is4() != own.Is4() {
		return netip.Addr{}
	}
	return a
}

func (m *Manager) layerInfo(n *Node) *LayerInfo {
	l := &LayerInfo{
		Layer: n.ID, Via: n.Via(), Depth: n.Depth, Mode: n.Mode(), Peer: n.Action.Peer,
		HasChildren: len(n.children)+len(m.inside[n.ID]) > 0,
		Own4:        m.opt.Own4, Own6: m.opt.Own6,
		LocalTS: n.result.LocalTS, RemoteTS: n.result.RemoteTS, Link: n.link,
	}
	l.Lease4, l.Lease6 = m.leases(n)
	own := []netip.Addr{n.result.Inner4, n.result.Inner6}
	for _, child := range n.children {
		own = append(own, child.Local, child.result.Local)
	}
	for _, a := range own {
		if a.IsValid() && !l.IsInner(a) {
			l.Inner = append(l.Inner, a)
		}
	}
	return l
}

func newBundle(name string) *Bundle { return &Bundle{Chain: name, Used: new(atomic.Uint64)} }

// Compile makes the bundle that seals for n and everything outside it. It
// translates nothing, as IKE for what is inside n wants it.
func Compile(n *Node, network OuterMTU) *Bundle {
	b := newBundle(n.chain)
	b.MTU = n.mtu(network)
	for _, layer := range n.path() {
		b.Layers = append(b.Layers, layer.compile())
		head, tail := room(layer.wrapping())
		b.Headroom += head
		b.Tailroom += tail
		if layer.Parent == nil {
			b.Encap = layer.result.Encap
			b.Ends = &packet.Ends{Local: layer.result.local(), Remote: layer.result.remote()}
		}
	}
	return b
}

func (n *Node) compile() BundleLayer {
	e := &n.result
	l := BundleLayer{Link: n.link, Mode: n.Mode(), Src: e.Local, Dst: e.Remote, Encap: e.Encap}
	if n.Parent != nil {
		l.Header = header(n.Mode(), e.Encap, e.local(), e.remote())
	}
	return l
}

// header is the ready-made outer header of a layer that no socket adds one to.
// Its packets may not be fragmented: their size is this node's own choice.
func header(mode esp.Mode, encap packet.Encap, local, remote netip.AddrPort) []byte {
	var h []byte
	if mode == esp.Tunnel {
		proto := uint8(packet.ProtoESP)
		if encap == packet.EncapUDP {
			proto = packet.ProtoUDP
		}
		buf := make([]byte, packet.IPv6HeaderLen)
		n := packet.PutIP(buf, packet.IPHeader{Src: local.Addr(), Dst: remote.Addr(), Proto: proto, TTL: 64, DF: true, Len: packet.IPv6HeaderLen})
		h = buf[:n]
	}
	if encap == packet.EncapUDP {
		udp := make([]byte, packet.UDPHeaderLen)
		packet.PutUDP(udp, local.Port(), remote.Port(), packet.UDPHeaderLen)
		h = append(h, udp...)
	}
	return h
}

// room is what a layer may need before and behind a packet: headers and IV,
// and the most padding, its trailer and the ICV.
func room(w Wrapping) (head, tail int) {
	head = w.header() + w.udp() + espHeaderLen + w.Suite.IVLen()
	tail = max(w.Suite.BlockAlign(), 4) - 1 + espTrailerLen + w.Suite.ICVLen()
	return head, tail
}

const (
	espHeaderLen  = 8 // SPI and sequence number
	espTrailerLen = 2 // pad length and next header
)
