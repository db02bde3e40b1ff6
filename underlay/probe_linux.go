package underlay

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// A probe asks the kernel for the MTU of a path: only a connected socket can.
// Nothing is sent. It is opened with the others so that it is in their network
// namespace.
type probe struct {
	mu sync.Mutex
	fd int // -1: closed, or never opened
	v6 bool
}

func newProbe(v6 bool, mark uint32) *probe {
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return &probe{fd: -1, v6: v6}
	}
	if mark != 0 { // allowed, as the sockets proper have it
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
	}
	return &probe{fd: fd, v6: v6}
}

func (p *probe) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
}

// mtu returns the MTU of the path to remote.
func (p *probe) mtu(remote netip.AddrPort) (int, error) {
	if p == nil {
		return 0, errors.New("no socket of this family")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd < 0 {
		return 0, errors.New("closed")
	}
	if err := unix.Connect(p.fd, sockaddr(remote)); err != nil {
		return 0, err
	}
	if p.v6 {
		return unix.GetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU)
	}
	return unix.GetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_MTU)
}

// PathMTU is Underlay's. The kernel keeps what it learned per destination; local
// is only told apart by fakes.
func (s *Sockets) PathMTU(_, remote netip.Addr) (int, error) {
	mtu, err := s.probes[family(remote.Is6())].mtu(netip.AddrPortFrom(remote, s.info.NATT))
	if err != nil {
		return 0, fmt.Errorf("underlay: path mtu to %v: %w", remote, err)
	}
	return mtu, nil
}
