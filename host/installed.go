package host

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An Entry is one routing rule or route that the node has put into the kernel.
type Entry struct {
	Kind   string // "rule" or "route"
	Family string // "ipv4" or "ipv6"
	Text   string // as ip(8) writes it, more or less
	Table  int    // the routing table; of a rule, the one that it looks up
}

// Installed lists the rules and routes of the node, as the kernel has them now.
// What cannot be read is left out.
func (h *Host) Installed() []Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	var out []Entry
	for _, family := range h.families {
		out = slices.Concat(out, h.installedRules(family), h.installedRoutes(family))
	}
	return out
}

func (h *Host) installedRules(family int) []Entry {
	l := h.opt.layout()
	rules, err := h.rules.ours(family, l.first(), l.end())
	if err != nil {
		h.log.Debug("list rules", "err", err)
	}
	var out []Entry
	for _, r := range rules {
		out = append(out, Entry{"rule", familyName(family), r.text(), int(r.table)})
	}
	return out
}

func (h *Host) installedRoutes(family int) []Entry {
	l := h.opt.layout()
	var out []Entry
	for _, table := range []int{l.Table, l.clients()} {
		routes, err := h.nl.RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
		if err != nil {
			h.log.Debug("list routes", "err", err)
		}
		for _, r := range routes {
			out = append(out, Entry{"route", familyName(family), h.routeText(r), table})
		}
	}
	return out
}

// routeText is a route as `ip route` prints it: what refuses packets by its type,
// every other with its interface.
func (h *Host) routeText(r netlink.Route) string {
	dst := prefixText(prefixFrom(r.Dst), "default")
	switch r.Type {
	case unix.RTN_UNREACHABLE:
		return fmt.Sprintf("unreachable %s metric %d", dst, r.Priority)
	case unix.RTN_UNICAST:
		return fmt.Sprintf("%s dev %s metric %d", dst, h.opt.TUN, r.Priority)
	}
	return fmt.Sprintf("%s type %d metric %d", dst, r.Type, r.Priority)
}

// prefixFrom is what the library has as a pointer that may be nil.
func prefixFrom(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, ok := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	if !ok {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, ones)
}
