package tun

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A control is a socket for the ioctls on an interface. It belongs to the
// network namespace it was opened in, whichever thread uses it later.
type control struct {
	fd   int
	name string
}

func openControl(name string) (*control, error) {
	if _, err := unix.NewIfreq(name); err != nil {
		return nil, fmt.Errorf("tun: %q cannot be an interface name: it must have 1 to %d bytes; change tun.name", name, unix.IFNAMSIZ-1)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("tun: control socket: %w", err)
	}
	return &control{fd: fd, name: name}, nil
}

func (c *control) close() { unix.Close(c.fd) }

func (c *control) ioctl(req uint, set func(*unix.Ifreq)) (*unix.Ifreq, error) {
	ifr, err := unix.NewIfreq(c.name)
	if err != nil {
		return nil, err
	}
	if set != nil {
		set(ifr)
	}
	return ifr, unix.IoctlIfreq(c.fd, req, ifr)
}

func (c *control) exists() bool {
	_, err := c.ioctl(unix.SIOCGIFINDEX, nil)
	return err == nil
}

func (c *control) setUp() error {
	ifr, err := c.ioctl(unix.SIOCGIFFLAGS, nil)
	if err != nil {
		return err
	}
	flags := ifr.Uint16() | unix.IFF_UP | unix.IFF_RUNNING
	_, err = c.ioctl(unix.SIOCSIFFLAGS, func(ifr *unix.Ifreq) { ifr.SetUint16(flags) })
	return err
}

func (c *control) setMTU(mtu int) error {
	_, err := c.ioctl(unix.SIOCSIFMTU, func(ifr *unix.Ifreq) { ifr.SetUint32(uint32(mtu)) })
	return err
}

func (c *control) setQueueLen(n int) error {
	_, err := c.ioctl(unix.SIOCSIFTXQLEN, func(ifr *unix.Ifreq) { ifr.SetUint32(uint32(n)) })
	return err
}
