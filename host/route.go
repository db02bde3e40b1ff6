package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	metricTUN         = 10
	metricUnreachable = 1 << 20
)

// AddRoute sends a prefix (a lease, an accepted peer's network) into the TUN,
// before any policy rule. If the TUN goes, the prefix is refused instead. Routes
// are counted, since peers may share a prefix: each AddRoute, a failed one too,
// needs its RemoveRoute.
func (h *Host) AddRoute(prefix netip.Prefix) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	if !prefix.IsValid() {
		return fmt.Errorf("host: route %s is not valid", prefix)
	}
	prefix = prefix.Masked()
	h.routes[prefix]++
	if err := h.installRoute(prefix); err != nil || h.routes[prefix] > 1 {
		return err
	}
	return h.mirrorAccepted(PolicyRule{Dst: prefix}, true)
}

func (h *Host) installRoute(prefix netip.Prefix) error {
	if err := h.ensureFrame(); err != nil {
		return err
	}
	if err := h.loosen(); err != nil {
		return err
	}
	l := h.opt.layout()
	refuse := netlink.Route{Dst: ipNet(prefix), Table: l.clients(), Protocol: protocolTag,
		Priority: metricUnreachable, Type: unix.RTN_UNREACHABLE}
	if err := h.replace(refuse); err != nil {
		return err
	}
	if prefix.Addr().Is6() && !h.v6(h.opt.TUN) {
		return nil
	}
	return h.intoTUN(prefix, l.clients())
}

// intoTUN adds a route into the TUN, which is looked for only if it is not where it
// was, or is down.
func (h *Host) intoTUN(dst netip.Prefix, table int) error {
	if h.index != 0 && h.replace(h.tunRoute(h.index, dst, table)) == nil {
		return nil
	}
	link, err := h.tun()
	if err != nil {
		return err
	}
	h.index = link.Attrs().Index
	return h.replace(h.tunRoute(h.index, dst, table))
}

// RemoveRoute takes one AddRoute back. A route that is not there is fine.
func (h *Host) RemoveRoute(prefix netip.Prefix) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	if !prefix.IsValid() {
		return fmt.Errorf("host: route %s is not valid", prefix)
	}
	prefix = prefix.Masked()
	if h.routes[prefix] > 1 {
		h.routes[prefix]--
		return nil
	}
	if h.routes[prefix] == 1 {
		delete(h.routes, prefix)
		if err := h.mirrorAccepted(PolicyRule{Dst: prefix}, false); err != nil {
			return err
		}
	}
	r := netlink.Route{Dst: ipNet(prefix), Table: h.opt.layout().clients(), Protocol: protocolTag,
		Scope: unix.RT_SCOPE_NOWHERE} // whatever it is
	for _, metric := range []int{metricTUN, metricUnreachable} {
		r.Priority = metric
		r.Type = unix.RTN_UNICAST
		if metric == metricUnreachable {
			r.Type = unix.RTN_UNREACHABLE
		}
		if err := h.nl.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("host: remove route %s: %w", prefix, err)
		}
	}
	return nil
}

func (h *Host) replace(r netlink.Route) error {
	if err := h.nl.RouteReplace(&r); err != nil {
		return fmt.Errorf("host: add route %s to table %d: %w", r.Dst, r.Table, err)
	}
	return nil
}

// tunRoute is a route into the TUN, with the TUN's address as preferred source.
func (h *Host) tunRoute(index int, dst netip.Prefix, table int) netlink.Route {
	r := netlink.Route{LinkIndex: index, Dst: ipNet(dst), Table: table,
		Protocol: protocolTag, Priority: metricTUN}
	if dst.Addr().Is4() {
		r.Scope = unix.RT_SCOPE_LINK
	}
	for _, a := range h.addrs {
		if a.Addr().Is4() == dst.Addr().Is4() {
			r.Src = net.IP(a.Addr().AsSlice())
			break
		}
	}
	return r
}

// defaultRoutes fills the table that protected traffic looks at. An IP version
// the TUN does not take has no route there, and so is refused.
func (h *Host) defaultRoutes() error {
	for _, dst := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if dst.Is6() && !h.v6(h.opt.TUN) {
			continue
		}
		if err := h.intoTUN(netip.PrefixFrom(dst, 0), h.opt.Table); err != nil {
			return err
		}
	}
	h.routed = true
	return nil
}

// refreshRoutes gives existing default routes the addresses of now.
func (h *Host) refreshRoutes() error {
	if !h.routed {
		return nil
	}
	return h.defaultRoutes()
}

// SourceFor returns the address that the node's own sockets have towards dst. The
// interface on that way may be younger than the policy: its reverse-path filter is
// made loose like those of the others.
func (h *Host) SourceFor(dst netip.Addr) (netip.Addr, error) {
	r, err := h.lookup(dst)
	if err != nil {
		return netip.Addr{}, err
	}
	src, ok := netip.AddrFromSlice(r.Src)
	if !ok {
		return netip.Addr{}, fmt.Errorf("host: no address of this host can reach %s", dst)
	}
	return src.Unmap(), nil
}

// LinkMTU returns the MTU of the way the node's own sockets take to dst: the
// route's where it has one, else the interface's.
func (h *Host) LinkMTU(dst netip.Addr) (int, error) {
	r, err := h.lookup(dst)
	if err != nil {
		return 0, err
	}
	if r.MTU > 0 {
		return r.MTU, nil
	}
	link, err := h.nl.LinkByIndex(r.LinkIndex)
	if err != nil {
		return 0, fmt.Errorf("host: interface towards %s: %w", dst, err)
	}
	return link.Attrs().MTU, nil
}

func (h *Host) lookup(dst netip.Addr) (netlink.Route, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return netlink.Route{}, errClosed
	}
	routes, err := h.nl.RouteGetWithOptions(dst.Unmap().AsSlice(), &netlink.RouteGetOptions{Mark: h.opt.Mark})
	if err != nil {
		return netlink.Route{}, fmt.Errorf("host: no route to %s: %w", dst, err)
	}
	if len(routes) == 0 {
		return netlink.Route{}, fmt.Errorf("host: no route to %s", dst)
	}
	return routes[0], h.loosenLate(routes[0])
}
