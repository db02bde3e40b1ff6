package host

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
)

// shieldChain drops packets for the TUN's own addresses that arrive elsewhere.
// The kernel accepts a packet for any of its addresses on any interface, so a
// neighbour on the link could probe connections inside the tunnel
// (CVE-2019-14899).
const shieldChain = "shield"

// shield keeps packets for these addresses to the TUN and lo. Packets that peers
// send to the node go to an address of the underlay and are not concerned.
func (h *Host) shield(prefixes []netip.Prefix) error {
	own, err := h.onlyOnTUN(prefixes)
	if err != nil {
		return err
	}
	if h.unfiltered || len(own) == 0 && !h.filtered {
		return nil
	}
	err = h.withTable(func(t *table) {
		c := t.chain(&nftables.Chain{
			Name: shieldChain, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
		})
		for _, name := range []string{"lo", h.opt.TUN} {
			t.AddRule(&nftables.Rule{Table: t.t, Chain: c, Exprs: then(ifname(expr.MetaKeyIIFNAME, name), accept())})
		}
		for _, a := range own {
			t.AddRule(&nftables.Rule{Table: t.t, Chain: c, Exprs: then(dstPrefix(netip.PrefixFrom(a, a.BitLen())), drop())})
		}
	})
	if !nftMissing(err) {
		return err
	}
	h.unfiltered, h.unmirrored = true, true
	h.log.Warn("host: no nftables here: packets for the TUN's addresses are accepted from any interface (CVE-2019-14899), and "+
		evades, "err", err)
	return nil
}

// onlyOnTUN leaves out addresses that another interface has as well: a shield for
// those would cut the node off. IPv6 link-local ones need no shield, the kernel
// takes them on their own link only.
func (h *Host) onlyOnTUN(prefixes []netip.Prefix) ([]netip.Addr, error) {
	var own []netip.Addr
	for _, p := range prefixes {
		if a := p.Addr(); !(a.Is6() && a.IsLinkLocalUnicast()) && !slices.Contains(own, a) {
			own = append(own, a)
		}
	}
	tun, err := h.nl.LinkByName(h.opt.TUN)
	if err != nil {
		return nil, fmt.Errorf("host: interface %s: %w", h.opt.TUN, err)
	}
	have, err := h.nl.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("host: list addresses: %w", err)
	}
	for _, x := range have {
		a, _ := netip.AddrFromSlice(x.IP)
		i := slices.Index(own, a.Unmap())
		if i < 0 || x.LinkIndex == tun.Attrs().Index {
			continue
		}
		h.log.Warn("host: an address of the TUN is also that of another interface: packets for it are accepted from anywhere",
			"address", own[i], "interface", x.LinkIndex)
		own = slices.Delete(own, i, i+1)
	}
	return own, nil
}
