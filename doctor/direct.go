package doctor

import (
	"net/netip"

	"warren/config"
	"warren/packet"
)

// A direct is an address of a peer that no tunnel leads to.
type direct struct {
	name string
	addr netip.Addr
}

func directPeers(c *config.Config) (list []direct) {
	tables := c.Tables()
	for _, p := range c.Peers {
		own := func(via string) bool { return via == p.Name }
		for _, a := range p.Addrs {
			if _, inside := tables.Tunnel(packet.Flow{Src: source(a), Dst: a, Proto: packet.ProtoUDP, DstPort: p.IKE}, own); !inside {
				list = append(list, direct{p.Name, a})
			}
		}
	}
	return list
}

// source is an address of the same family that no rule will ask for.
func source(a netip.Addr) netip.Addr {
	if a.Is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
