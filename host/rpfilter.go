package host

import (
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
)

// loosen makes strict reverse-path filters loose. A filter looks up the way back
// to a packet's source without our mark, finds the TUN for a gateway whose address
// a rule protects, and would drop that gateway's answers on the underlay. The
// kernel takes the larger of all.rp_filter and the interface's own, and loose (2)
// is larger than strict (1), so each interface can be changed alone.
func (h *Host) loosen() error {
	if h.loose {
		return nil
	}
	interfaces, err := h.ns.list("net/ipv4/conf")
	if err != nil {
		return fmt.Errorf("host: list interfaces: %w", err)
	}
	if err := h.loosenEach(interfaces); err != nil {
		return err
	}
	h.loose = true
	return nil
}

// loosenLate deals with the interface of a route that the node is about to use,
// which may have appeared after loosen.
func (h *Host) loosenLate(r netlink.Route) error {
	if !h.loose {
		return nil
	}
	link, err := h.nl.LinkByIndex(r.LinkIndex)
	if err != nil {
		return nil // gone again, or a route without an interface
	}
	return h.loosenEach([]string{link.Attrs().Name})
}

func (h *Host) loosenEach(interfaces []string) error {
	all, err := h.ns.read("net/ipv4/conf/all/rp_filter")
	if err != nil {
		return fmt.Errorf("host: read rp_filter: %w", err)
	}
	var changed []string
	for _, i := range interfaces {
		if i == "all" || i == "default" || i == "lo" {
			continue
		}
		key := "net/ipv4/conf/" + i + "/rp_filter"
		own, err := h.ns.read(key)
		if err != nil || own == "2" || max(own, all) != "1" {
			continue // gone, or not strict
		}
		if err := h.set(key, "2"); err != nil {
			return err
		}
		changed = append(changed, i)
	}
	if len(changed) > 0 {
		h.log.Warn("host: strict reverse-path filters would drop the answers of gateways: loose while this node runs",
			"interfaces", strings.Join(changed, " "), "sysctl", "net.ipv4.conf.*.rp_filter", "value", 2)
	}
	return nil
}

// forwardingKey reports whether SetForwarding changed a sysctl.
func forwardingKey(key string) bool {
	return strings.HasSuffix(key, "/forwarding") || strings.HasSuffix(key, "/accept_ra") || strings.HasSuffix(key, "/accept_redirects")
}
