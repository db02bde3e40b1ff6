package host

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
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
	if len(own) == 0 && !h.filtered {
		return nil
	}
	return h.withTable(func(t *table) {
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

// then joins the parts of an nftables rule.
func then(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

func drop() []expr.Any {
	return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
}

// equals compares what load puts into register 1.
func equals(load expr.Any, want []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: want}}
}

func ifname(key expr.MetaKey, name string) []expr.Any {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return equals(&expr.Meta{Key: key, Register: 1}, b)
}

func dstPrefix(p netip.Prefix) []expr.Any {
	if p.Addr().Is4() {
		return inPrefix(p, unix.NFPROTO_IPV4, 16)
	}
	return inPrefix(p, unix.NFPROTO_IPV6, 24)
}

// inPrefix matches packets of an IP version whose address at off is in p.
func inPrefix(p netip.Prefix, version byte, off uint32) []expr.Any {
	n := uint32(p.Addr().BitLen() / 8)
	addr := []expr.Any{&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: off, Len: n, DestRegister: 1}}
	if p.Bits() < p.Addr().BitLen() {
		addr = append(addr, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: n, Mask: ipNet(p).Mask, Xor: make([]byte, n)})
	}
	return then(
		equals(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{version}),
		addr,
		[]expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()}},
	)
}
