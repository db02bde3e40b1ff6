package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// device finds out whether the TUN's name is free.
func (p *patient) device() []Check {
	const name = "device"
	want := cmp.Or(p.cfg.Tun.Name, "warren0")
	if _, err := net.InterfaceByName(want); err != nil {
		return ok(name, want+" is free")
	}
	if p.running && p.status.Tun.Name == want {
		return ok(name, want+" is the daemon's")
	}
	return fail(name, want+" is taken by something else", "stop the program that owns it, delete it (ip link del "+want+"), or change tun.name")
}

// ports binds each for a moment.
func (p *patient) ports() []Check {
	const name = "ports"
	addresses, ike, natt := p.cfg.Listen.Addresses, p.cfg.Listen.IKE, p.cfg.Listen.NATT
	if !p.usable {
		addresses, ike, natt = []netip.Addr{netip.IPv4Unspecified()}, 500, 4500
	}
	for _, a := range addresses {
		for _, port := range []uint16{ike, natt} {
			if found := p.port(netip.AddrPortFrom(a, port)); found != nil {
				return found
			}
		}
	}
	if p.running {
		return ok(name, fmt.Sprintf("UDP %d and %d are the daemon's", ike, natt))
	}
	return ok(name, fmt.Sprintf("UDP %d and %d are free", ike, natt))
}

// port is what is wrong with one of them.
func (p *patient) port(a netip.AddrPort) []Check {
	const name = "ports"
	network := "udp4"
	if a.Addr().Is6() {
		network = "udp6"
	}
	c, err := net.ListenPacket(network, a.String())
	switch {
	case err == nil:
		c.Close()
	case errors.Is(err, unix.EADDRINUSE):
		who := owner(a.Port())
		if p.running && (who.name == "" || who.name == "warren") {
			return nil
		}
		return fail(name, fmt.Sprintf("UDP %v is taken by %v", a, who), "stop that, or change listen.ike and listen.nat_t")
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fail(name, fmt.Sprintf("no interface has the address %v", a.Addr()), "change listen.address")
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return skip(name, fmt.Sprintf("UDP %v may not be bound by this user", a))
	case errors.Is(err, unix.EAFNOSUPPORT) && a.Addr().IsUnspecified():
	default:
		return fail(name, err.Error(), "")
	}
	return nil
}

// peers finds out whether there is a way to those that are reached directly, and
// how wide it is.
func (p *patient) peers() []Check {
	const name = "peers"
	if !p.usable {
		return skip(name, noConfig)
	}
	var fine []string
	for _, d := range directPeers(p.cfg) {
		mtu, err := pathTo(d.addr)
		if err != nil {
			return fail(name, fmt.Sprintf("there is no way to %s at %v: %v", d.name, d.addr, err), "see `ip route get "+d.addr.String()+"`")
		}
		if mtu < minPath {
			return warn(name, fmt.Sprintf("the path to %s takes only %d bytes: every layer takes about 60 of them", d.name, mtu), "raise the MTU of the links, if they are yours")
		}
		fine = append(fine, fmt.Sprintf("%s (mtu %d)", d.name, mtu))
	}
	if len(fine) == 0 {
		return ok(name, "there are none to reach out to")
	}
	return ok(name, "there is a way to "+strings.Join(fine, ", "))
}

// minPath is what three layers and IPv6 inside them need.
const minPath = 1480

// pathTo is the MTU of the path to a, as far as the kernel knows. Nothing is sent.
func pathTo(a netip.Addr) (int, error) {
	const port = 500
	family, level, opt := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU
	var to unix.Sockaddr
	if a.Is6() {
		family, level, opt = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU
		to = &unix.SockaddrInet6{Addr: a.As16(), Port: port}
	} else {
		to = &unix.SockaddrInet4{Addr: a.As4(), Port: port}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); err != nil {
		return 0, err
	}
	return unix.GetsockoptInt(fd, level, opt)
}
