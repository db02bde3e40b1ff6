package config

import (
	"net/netip"

	"warren/esp"
	"warren/ike"
	"warren/ike/crypt"
	"warren/nest"
	"warren/packet"
)

// NestPeers are the peers as resolution and MTU sums see them.
func (c *Config) NestPeers() []nest.Peer {
	out := make([]nest.Peer, len(c.Peers))
	for i, p := range c.Peers {
		out[i] = nest.Peer{
			Name:       p.Name,
			Addrs:      p.Addrs,
			VirtualIP4: p.VirtualIP4,
			VirtualIP6: p.VirtualIP6,
			Source:     p.Source,
			RemoteTS:   p.RemoteTS,
			Encap:      p.assumedEncap(),
			Suite:      p.Profile.Suite(),
		}
	}
	return out
}

// Resolver finds the pending stack of a flow by the rules of c.
func (c *Config) Resolver() *nest.Resolver {
	return nest.NewResolver(c.Tables(), c.NestPeers(), c.Limits.Depth)
}

// assumedEncap is what p will most likely agree to.
func (p *Peer) assumedEncap() packet.Encap {
	if p.Encap == EncapESP {
		return packet.EncapNone
	}
	return packet.EncapUDP
}

// Suite is the ESP suite that p wants most.
func (p *Profile) Suite() esp.Suite {
	if len(p.ESP) == 0 {
		return esp.Suite{Cipher: esp.AES128GCM16}
	}
	return suiteOf(p.ESP[0])
}

// suiteOf is the suite that p wants most.
func suiteOf(p crypt.Proposal) esp.Suite {
	var c crypt.Choice
	if len(p.Encr) > 0 {
		c.Encr = p.Encr[0]
	}
	if len(p.Integ) > 0 {
		c.Integ = p.Integ[0]
	}
	if len(p.ESN) > 0 {
		c.ESN = p.ESN[0]
	}
	s, _ := ike.SuiteOf(c)
	return s
}

// likelySource is the address of family v6 or not that a flow is most likely sent
// from: the TUN's own, or one that stands for it.
func (c *Config) likelySource(v6 bool) netip.Addr {
	for _, p := range c.Tun.Addresses {
		if p.Addr().Is6() == v6 {
			return p.Addr()
		}
	}
	if v6 {
		return netip.MustParseAddr("fd00::1")
	}
	return netip.MustParseAddr("10.0.0.1")
}
