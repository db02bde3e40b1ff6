package tun

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"warren/packet"
)

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
	d, err := create(o, ctl)
	if err != nil {
		ctl.close()
		return nil, err
	}
	if err := errors.Join(ctl.setQueueLen(queueLen), ctl.setUp()); err != nil {
		d.Close()
		return nil, fmt.Errorf("tun: bring %s up: %w", o.Name, err)
	}
	_ = limitSegments(o) // it is as well without
	return d, nil
}

// limitSegments has the kernel make super-packets of no more packets than one
// sendmsg takes once they are sealed: what is over would be a send of its own, of
// a packet or two, and cost the far side as much as the other forty. Sealed
// packets are as large as the path takes, whatever the number of layers.
func limitSegments(o Options) error {
	const front = packet.IPv4HeaderLen + packet.UDPHeaderLen
	link, err := netlink.LinkByName(o.Name)
	if err != nil {
		return err
	}
	return netlink.LinkSetGSOMaxSegs(link, (packet.MaxPacket-front)/(o.MTU-front))
}

// queueLen is how many packets the kernel queues for a worker that is not reading.
// Hosts' own TCP keeps its part short by itself. What is forwarded has no such
// bound, and a worker may be away for some thousand small packets' time.
const queueLen = 1000

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
