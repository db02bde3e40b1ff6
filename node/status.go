package node

import (
	"net/netip"
	"slices"
	"time"

	"warren/control"
	"warren/esp"
	"warren/host"
	"warren/nest"
	"warren/packet"
	"warren/sa"
)

// Status implements control.Backend.
func (b *backend) Status() control.Status {
	return ask(b.n, func() control.Status {
		n, now := b.n, time.Now()
		return control.Status{
			Node: n.cfg.Node, Version: n.opt.Version, UptimeSeconds: now.Sub(n.started).Seconds(),
			Tun:       control.Tun{Name: n.dev.Name(), Addresses: texts(n.cfg.Tun.Addresses), MTU: n.dev.MTU()},
			Dataplane: n.dataplane(), CoreDumps: host.Dumpable(), KeyExport: n.cfg.AllowKeyExport,
			Chains: n.chainStatus(), Accepted: n.acceptedStatus(), Drops: n.plane.Drops(), Traffic: n.traffic(), IKE: n.refusals(),
			Warnings: n.certWarnings(now),
		}
	})
}

// Drops implements control.Backend.
func (b *backend) Drops() map[string]uint64 { return b.n.plane.Drops() }

func (n *Node) traffic() map[string]uint64 {
	c := n.plane.Counters()
	return map[string]uint64{
		"from-tun": c.FromTUN, "to-network": c.ToNetwork, "fragments": c.Fragments, "control": c.Control, "held": c.Held,
		"from-network": c.FromNetwork, "to-tun": c.ToTUN, "to-control": c.ToControl,
	}
}

func (n *Node) refusals() map[string]uint64 {
	refused := n.ike.Refusals()
	refused["queue"] = n.handler.missed.Load()
	return refused
}

func (n *Node) chainStatus() []control.Chain {
	out := []control.Chain{}
	for _, c := range n.nest.Chains() {
		chain := control.Chain{
			Name: c.Name, Rule: c.Rule, State: c.State.String(), Wanted: c.Wanted, Reason: c.Reason,
			FailedLayer: c.FailedLayer, MTU: int(c.MTU), Layers: []control.Layer{},
		}
		for _, l := range c.Layers {
			chain.Layers = append(chain.Layers, layerStatus(l))
		}
		out = append(out, chain)
	}
	return out
}

func layerStatus(l nest.LayerStatus) control.Layer {
	return control.Layer{
		Layer: l.Layer, Peer: l.Peer, Mode: l.Mode.String(), State: l.State.String(),
		Local: addr(l.Local), Remote: addr(l.Remote),
		VirtualIP: addr(l.Inner4), VirtualIP6: addr(l.Inner6),
		SPIIn: spi(l.SPIIn), SPIOut: spi(l.SPIOut), Suite: l.Suite.String(), Encap: encap(l.Encap), MTU: int(l.MTU),
		PacketsIn: l.PacketsIn, BytesIn: l.BytesIn, PacketsOut: l.PacketsOut, BytesOut: l.BytesOut, Rekeys: l.Rekeys,
		Reauths: l.Reauths, Reason: l.Reason,
	}
}

func (n *Node) acceptedStatus() []control.Accepted {
	out := []control.Accepted{}
	spis := n.spis()
	for _, a := range n.nest.Accepted() {
		entry := ""
		if c := n.children[a.SPIIn]; c != nil {
			entry = c.Name
		}
		out = append(out, control.Accepted{
			Layer: a.Depth, Outer: spi(spis[a.Via]), MTU: int(a.MTU),
			Peer: a.Peer, Accept: entry, Mode: a.Mode.String(), State: control.StateUp,
			Local: addr(a.Local.Addr()), Remote: addr(a.Remote.Addr()),
			VirtualIP: addr(a.Inner4), VirtualIP6: addr(a.Inner6),
			SPIIn: spi(a.SPIIn), SPIOut: spi(a.SPIOut), Suite: a.Suite.String(), Encap: encap(a.Encap),
			PacketsIn: a.PacketsIn, BytesIn: a.BytesIn, PacketsOut: a.PacketsOut, BytesOut: a.BytesOut,
			Rekeys: a.Rekeys,
		})
	}
	return out
}

// SAs implements control.Backend.
func (b *backend) SAs() []control.SA {
	return ask(b.n, func() []control.SA {
		depth := b.n.depths()
		out := []control.SA{}
		for _, c := range b.n.byAge() {
			out = append(out, c.describe("in", depth[c.Layer]), c.describe("out", depth[c.Layer]))
		}
		return out
	})
}

// byAge lists the children, the oldest first.
func (n *Node) byAge() []*child {
	var all []*child
	for _, c := range n.children {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *child) int {
		if d := a.Born.Compare(b.Born); d != 0 {
			return d
		}
		return int(int64(a.SPIIn) - int64(b.SPIIn))
	})
	return all
}

// spis names each layer by the SPI that its packets come with.
func (n *Node) spis() map[sa.Layer]esp.SPI {
	spis := make(map[sa.Layer]esp.SPI)
	for _, c := range n.nest.Chains() {
		for _, l := range c.Layers {
			spis[l.ID] = l.SPIIn
		}
	}
	for _, a := range n.nest.Accepted() {
		spis[a.Layer] = a.SPIIn
	}
	return spis
}

// depths is how deep each layer lies; the network is 0.
func (n *Node) depths() map[sa.Layer]int {
	depth := make(map[sa.Layer]int)
	for _, a := range n.nest.Accepted() {
		depth[a.Layer] = a.Depth
	}
	for _, c := range n.nest.Chains() {
		for _, l := range c.Layers {
			depth[l.ID] = l.Layer
		}
	}
	return depth
}

func (c *child) describe(direction string, depth int) control.SA {
	s := control.SA{
		Direction: direction, Peer: c.Name, Layer: max(depth, 1), Mode: c.Mode.String(),
		Suite: c.Suite.String(), Encap: encap(c.Encap),
		Local: addr(c.Path.Local.Addr()), Remote: addr(c.Path.Remote.Addr()),
		LocalTS: texts(c.LocalTS), RemoteTS: texts(c.RemoteTS),
		AgeSeconds: time.Since(c.Born).Seconds(),
	}
	if t := c.Lifetime.SoftTime; t > 0 {
		s.RekeySeconds = max(time.Until(c.Born.Add(t)).Seconds(), 0)
	}
	counters := &c.out.Counters
	s.SPI, s.Sequence = spi(c.SPIOut), c.out.Last()
	if direction == "in" {
		counters = &c.in.Counters
		s.SPI, s.Sequence, s.Window = spi(c.SPIIn), c.in.Highest(), c.in.Params().Window
	}
	s.Packets, s.Bytes = counters.Packets.Load(), counters.Bytes.Load()
	return s
}

// Leases implements control.Backend.
func (b *backend) Leases() []control.Lease {
	return ask(b.n, func() []control.Lease {
		out := []control.Lease{}
		for _, p := range b.n.pools {
			for _, l := range p.Leases() {
				out = append(out, control.Lease{Address: addr(l.Addr), Peer: l.ID.String(), Pool: p.name, Direction: "given", Active: true})
			}
		}
		seen := make(map[sa.Layer]bool) // a shared tunnel is in several chains
		for _, c := range b.n.nest.Chains() {
			for _, l := range c.Layers {
				if l.State == nest.Up && !seen[l.ID] {
					seen[l.ID] = true
					out = append(out, got(l)...)
				}
			}
		}
		return out
	})
}

func got(l nest.LayerStatus) []control.Lease {
	var out []control.Lease
	for _, a := range []netip.Addr{l.Inner4, l.Inner6} {
		if a.IsValid() {
			out = append(out, control.Lease{Address: addr(a), Peer: l.Peer, Direction: "got", Active: true})
		}
	}
	return out
}

// spi is empty where there is none.
func spi(s esp.SPI) string {
	if s == 0 {
		return ""
	}
	return s.String()
}

// addr is empty where there is none.
func addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func encap(e packet.Encap) string {
	if e == packet.EncapUDP {
		return "udp"
	}
	return "esp"
}

func texts[T interface{ String() string }](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}
