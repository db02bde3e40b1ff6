package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// SetAddresses gives the TUN these addresses and no others of ours, and brings
// it up. No route comes with an address. IPv6 addresses are skipped where IPv6
// is disabled.
func (h *Host) SetAddresses(prefixes []netip.Prefix) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	link, err := h.tun()
	if err != nil {
		return err
	}
	want, err := h.usable(prefixes)
	if err != nil {
		return err
	}
	if err := h.shield(slices.Concat(h.addrs, want)); err != nil {
		return err
	}
	for _, p := range want {
		if err := h.addAddress(link, p); err != nil {
			return err
		}
	}
	old := h.addrs
	h.addrs = want
	if err := h.refreshRoutes(); err != nil {
		return err
	}
	gone := slices.DeleteFunc(old, func(p netip.Prefix) bool { return slices.Contains(want, p) })
	if len(gone) == 0 {
		return nil
	}
	for _, p := range gone {
		if err := h.delAddress(address{h.opt.TUN, p}); err != nil {
			return err
		}
	}
	if err := h.refreshRoutes(); err != nil {
		return err
	}
	return h.shield(want)
}

// usable returns the prefixes of IP versions that the TUN takes.
func (h *Host) usable(prefixes []netip.Prefix) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, p := range prefixes {
		if !p.IsValid() {
			return nil, fmt.Errorf("host: address %s is not valid", p)
		}
		if p.Addr().Is4() || h.v6(h.opt.TUN) {
			out = append(out, p)
		}
	}
	return out, nil
}

// tun returns the TUN's link, brought up.
func (h *Host) tun() (netlink.Link, error) {
	link, err := h.nl.LinkByName(h.opt.TUN)
	if err != nil {
		return nil, fmt.Errorf("host: interface %s: %w", h.opt.TUN, err)
	}
	if link.Attrs().Flags&net.FlagUp != 0 {
		return link, nil
	}
	if h.v6(h.opt.TUN) { // no link-local address, no router solicitations into the TUN
		if err := h.set("net/ipv6/conf/"+h.opt.TUN+"/addr_gen_mode", "1"); err != nil {
			return nil, err
		}
	}
	if err := h.nl.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("host: bring %s up: %w", h.opt.TUN, err)
	}
	return link, nil
}

// v6 reports whether an interface takes IPv6 addresses.
func (h *Host) v6(name string) bool {
	v, err := h.ns.read("net/ipv6/conf/" + name + "/disable_ipv6")
	return err == nil && v == "0"
}

func (h *Host) addAddress(link netlink.Link, p netip.Prefix) error {
	if slices.Contains(h.addrs, p) {
		return nil
	}
	if err := h.journal.note(change{Address: &address{h.opt.TUN, p}}); err != nil {
		return err
	}
	a := &netlink.Addr{IPNet: ipNet(p), Flags: unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD}
	if err := h.nl.AddrAdd(link, a); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("host: add address %s to %s: %w", p, h.opt.TUN, err)
	}
	return nil
}

// delAddress removes an address; one that is gone, or whose interface is, is fine.
func (h *Host) delAddress(a address) error {
	link, err := h.nl.LinkByName(a.Interface)
	if err != nil {
		return nil
	}
	err = h.nl.AddrDel(link, &netlink.Addr{IPNet: ipNet(a.Prefix)})
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("host: remove address %s from %s: %w", a.Prefix, a.Interface, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
