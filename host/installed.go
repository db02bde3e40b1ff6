package host

import (
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
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
		out = append(out, Entry{"rule", familyName(family), r.String(), int(r.table)})
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
			dst := "default"
			if r.Dst != nil {
				dst = r.Dst.String()
			}
			out = append(out, Entry{"route", familyName(family), fmt.Sprintf("%s dev %s", dst, h.opt.TUN), table})
		}
	}
	return out
}
