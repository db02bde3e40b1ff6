package host

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Snapshot returns the links, addresses, routes, rules, nftables and relevant sysctls of
// the calling thread's network namespace as sorted text, without timers and
// counters: two snapshots are equal when nothing was left behind.
func Snapshot() (string, error) {
	h := &Host{}
	ns, err := currentNamespace()
	if err != nil {
		return "", err
	}
	defer ns.close()
	h.ns = ns
	if h.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return "", fmt.Errorf("host: open netlink: %w", err)
	}
	defer h.nl.Close()
	if h.rules, err = openRuleSocket(); err != nil {
		return "", err
	}
	defer h.rules.close()
	var b strings.Builder
	for _, section := range []func() ([]string, error){h.linkLines, h.routeLines, h.ruleLines, h.sysctlLines, h.nftLines} {
		lines, err := section()
		if err != nil {
			return "", err
		}
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
	}
	return b.String(), nil
}

func (h *Host) linkLines() ([]string, error) {
	links, err := h.nl.LinkList()
	if err != nil {
		return nil, fmt.Errorf("host: list links: %w", err)
	}
	var out []string
	for _, l := range links {
		a := l.Attrs()
		out = append(out, fmt.Sprintf("link %s %s mtu %d up %t", a.Name, l.Type(), a.MTU, a.Flags&net.FlagUp != 0))
		addrs, err := h.nl.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return nil, fmt.Errorf("host: list addresses: %w", err)
		}
		for _, x := range addrs {
			out = append(out, fmt.Sprintf("address %s %s", a.Name, x.IPNet))
		}
	}
	slices.Sort(out)
	return out, nil
}

func (h *Host) routeLines() ([]string, error) {
	var out []string
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := h.nl.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, fmt.Errorf("host: list routes: %w", err)
		}
		for _, r := range routes {
			if r.Protocol == unix.RTPROT_KERNEL && r.Table == unix.RT_TABLE_LOCAL {
				continue // follows the addresses, some time after them
			}
			dev := ""
			if l, err := h.nl.LinkByIndex(r.LinkIndex); err == nil {
				dev = l.Attrs().Name
			}
			out = append(out, fmt.Sprintf("route %s table %d %s via %s dev %s src %s type %d metric %d protocol %d",
				familyName(family), r.Table, r.Dst, r.Gw, dev, r.Src, r.Type, r.Priority, r.Protocol))
		}
	}
	slices.Sort(out)
	return out, nil
}

func (h *Host) ruleLines() ([]string, error) {
	var out []string
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		msgs, err := h.rules.dump(family)
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			r, rest, err := decodeRule(m)
			if err != nil {
				return nil, err
			}
			line := fmt.Sprintf("%s %s protocol %d flags %#x", familyName(family), r, rest.tag, rest.flags)
			for _, a := range rest.other {
				line += fmt.Sprintf(" %d=%x", a.Type, a.Data)
			}
			out = append(out, line) // the kernel's order matters
		}
	}
	return out, nil
}

func (h *Host) sysctlLines() ([]string, error) {
	var out []string
	for dir, names := range map[string][]string{
		"net/ipv4/conf": {"forwarding", "rp_filter", "src_valid_mark", "accept_redirects", "send_redirects"},
		"net/ipv6/conf": {"forwarding", "accept_ra", "disable_ipv6"},
	} {
		interfaces, err := h.ns.list(dir)
		if err != nil {
			continue // no IPv6
		}
		for _, i := range interfaces {
			for _, name := range names {
				key := dir + "/" + i + "/" + name
				if v, err := h.ns.read(key); err == nil {
					out = append(out, fmt.Sprintf("sysctl %s %s", key, v))
				}
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
