package node

import (
	"time"

	"warren/dataplane"
	"warren/esp"
	"warren/ike"
	"warren/nest"
	"warren/packet"
	"warren/sa"
)

// A child is one pair of child SAs with the session that it belongs to.
type child struct {
	ike.Child // without keys
	session   ike.SessionID
	in        *sa.Inbound
	out       *sa.Outbound

	keyIn, keyOut []byte // where allow_key_export is set

	seen    uint64    // inbound packets at the last look
	used    bool      // the engine was told that the peer uses it
	rekeyed bool      // the engine was told that it is near its limit
	ended   bool      // it reached its hard limit, and the engine was told
	in1     look      // the last look at the inbound SA
	out1    look      // and at the outbound one
	sent    uint64    // outbound packets at the last look
	quiet   time.Time // since when there are no more
}

// install makes the SAs of c, puts the inbound one into the SAD, and forgets
// the keys. Nothing is sent on the outbound one yet.
func (n *Node) install(session ike.SessionID, c ike.Child) (*child, error) {
	defer wipe(c.KeyIn, c.KeyOut)
	in, err := sa.NewInbound(params(c, c.SPIIn, c.KeyIn))
	if err != nil {
		return nil, err
	}
	out, err := sa.NewOutbound(params(c, c.SPIOut, c.KeyOut))
	if err != nil {
		return nil, err
	}
	if err := n.sad.Install(in); err != nil {
		return nil, err
	}
	made := &child{Child: c, session: session, in: in, out: out}
	made.keep(n.cfg.AllowKeyExport)
	made.KeyIn, made.KeyOut = nil, nil
	n.children[c.SPIIn] = made
	n.hurry = n.hurry || c.Lifetime.SoftBytes != 0 || c.Lifetime.SoftPackets != 0
	return made, nil
}

// remove takes a pair out of use.
func (n *Node) remove(spi esp.SPI) *child {
	c := n.children[spi]
	if c == nil {
		return nil
	}
	delete(n.children, spi)
	n.sad.Remove(spi)
	c.in.Retire()
	c.out.Retire()
	wipe(c.keyIn, c.keyOut)
	return c
}

func params(c ike.Child, spi esp.SPI, key []byte) sa.Params {
	return sa.Params{
		SPI: spi, Suite: c.Suite, Key: key, Mode: c.Mode, Encap: c.Encap,
		Layer: c.Layer, Via: c.Via, Local: c.LocalTS, Remote: c.RemoteTS,
		Window: c.Window, Lifetime: c.Lifetime, Born: c.Born,
	}
}

func wipe(keys ...[]byte) {
	for _, k := range keys {
		clear(k)
	}
}

// established is what a child means to the tree of tunnels.
func (c *child) established() nest.Established {
	e := nest.Established{
		Local: c.Path.Local.Addr(), Remote: c.Path.Remote.Addr(),
		Inner4: c.Lease4, Inner6: c.Lease6,
		LocalTS: c.LocalTS, RemoteTS: c.RemoteTS,
		Encap: c.Encap, Suite: c.Suite,
		SPIIn: c.SPIIn, SPIOut: c.SPIOut, Out: c.out,
	}
	if c.Encap == packet.EncapUDP {
		e.LocalPort, e.RemotePort = c.Path.Local.Port(), c.Path.Remote.Port()
	}
	return e
}

// accepted is what a child of a session that a peer opened means to the view.
func (c *child) accepted() nest.AcceptedChild {
	return nest.AcceptedChild{
		Layer: c.Layer, Via: c.Via, Peer: c.Remote.String(), Mode: c.Mode, Encap: c.Encap, Suite: c.Suite,
		Local: c.Path.Local, Remote: c.Path.Remote, Inner4: c.Lease4, Inner6: c.Lease6,
		LocalTS: c.LocalTS, RemoteTS: c.RemoteTS,
		SPIIn: c.SPIIn, SPIOut: c.SPIOut, Out: c.out,
	}
}

// watch tells the engine what it cannot see: that ESP arrived, that the peer
// uses a new SA, and that limits of bytes, packets or sequence numbers are near.
// Time limits are the engine's own. It returns when it wants to look again.
func (n *Node) watch(now time.Time) time.Duration {
	next := watchEvery
	for spi, c := range n.children {
		if got := c.in.Packets.Load(); got != c.seen {
			c.seen = got
			n.ike.InboundSeen(c.session, now)
			if !c.used {
				c.used = true
				n.ike.ChildUsed(c.session, spi, now)
			}
		}
		n.checkLimits(spi, c, now)
		next = min(next, c.untilSoft(now))
		n.keepAlive(c, now)
	}
	return max(next, watchLeast)
}

// keepAlive keeps the mapping of a NAT between this node and the peer it called.
func (n *Node) keepAlive(c *child, now time.Time) {
	if !c.keepaliveDue(c.out.Packets.Load(), now) {
		return
	}
	if via := n.nest.View().Bundle(c.Via); via != nil || c.Via == sa.Network {
		n.try("keepalive", n.plane.Keepalive(via, c.Path.Local, c.Path.Remote))
	}
}

// keepaliveDue reports whether nothing was sent for so long that a NAT may
// forget (RFC 3948, Section 4). An initiator that feigns a NAT cannot know of a
// real one, so it takes every path of ESP in UDP for one.
func (c *child) keepaliveDue(sent uint64, now time.Time) bool {
	if sent != c.sent || c.quiet.IsZero() {
		c.sent, c.quiet = sent, now
	}
	if !c.Initiator || c.Encap != packet.EncapUDP || now.Sub(c.quiet) < dataplane.KeepaliveAfter {
		return false
	}
	c.quiet = now
	return true
}

// try logs what the engine refuses: it has its own timers to try again.
func (n *Node) try(what string, err error) {
	if err != nil {
		n.log.Debug(what, "err", err)
	}
}
