package tun

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

const clonePath = "/dev/net/tun"

// Open makes the interface, with its MTU, and brings it up. It exists until
// Close, or until the process ends. The error is one line with the way out.
func Open(o Options) (*Native, error) {
	o.Name = cmp.Or(o.Name, "warren0")
	o.MTU = cmp.Or(o.MTU, 1500)
	ctl, err := openControl(o.Name)
	if err != nil {
		return nil, err
	}
	if ctl.exists() {
		ctl.close()
		return nil, nameTaken(o.Name)
	}
	dev, err := create(o)
	if err != nil {
		ctl.close()
		return nil, err
	}
	d := newNative(dev, ctl, o.MTU)
	if err := ctl.setUp(); err != nil {
		d.Close()
		return nil, fmt.Errorf("tun: bring %s up: %w", o.Name, err)
	}
	return d, nil
}

// create makes the device itself and not by wireguard's CreateTUN, which leaks
// its descriptor where the kernel says no.
func create(o Options) (wgtun.Device, error) {
	fd, err := unix.Open(clonePath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(o.Name, err)
	}
	ifr, err := unix.NewIfreq(o.Name)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tun: %q cannot be an interface name: it must have 1 to %d bytes; change tun.name", o.Name, unix.IFNAMSIZ-1)
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		unix.Close(fd)
		return nil, openError(o.Name, err)
	}
	f := os.NewFile(uintptr(fd), clonePath)
	dev, err := wgtun.CreateTUNFromFile(f, o.MTU)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("tun: set up %s with mtu %d: %w", o.Name, o.MTU, err)
	}
	return dev, nil
}

// openError says what to do about an error of the kernel's.
func openError(name string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("tun: %s is missing: load the driver (modprobe tun), or in a container pass the device in (--device %s): %w", clonePath, clonePath, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("tun: not allowed to make interface %s: run as root, or give the program CAP_NET_ADMIN (setcap cap_net_admin,cap_net_raw,cap_net_bind_service+ep): %w", name, err)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return nameTaken(name)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("tun: the kernel refuses %q as an interface name: change tun.name: %w", name, err)
	}
	return fmt.Errorf("tun: make interface %s: %w", name, err)
}

func nameTaken(name string) error {
	return fmt.Errorf("tun: interface %s already exists: stop the program that owns it, delete it (ip link del %s), or change tun.name", name, name)
}
