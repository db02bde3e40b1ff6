package tun

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

const clonePath = "/dev/net/tun"

// create makes the device and its queues, with virtio headers where the kernel
// has them.
func create(o Options, ctl *control) (*Native, error) {
	note := noteVNetOff
	if !o.NoTSO {
		d, err := createRaw(o, ctl)
		if !errors.Is(err, errNoOffload) {
			return d, err
		}
		note = noteNoVNet
	}
	f, err := openQueue(o, unix.IFF_TUN|unix.IFF_NO_PI, unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	dev, err := wrap(f, o)
	if err != nil {
		return nil, err
	}
	d := newNative(dev, ctl, o.MTU)
	d.Queue = newLibraryQueue(d, dev)
	d.queues = []Queue{d.Queue}
	d.notes = []string{note}
	return d, nil
}

// errNoOffload is what a kernel without virtio headers or TSO comes to.
var errNoOffload = errors.New("no offload")

const rawFlags = unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR

func createRaw(o Options, ctl *control) (*Native, error) {
	first, flags, err := openFirst(o, openQueue)
	if err != nil {
		return nil, err
	}
	if setOffload(first, tcpOffload) != nil {
		first.Close()
		return nil, errNoOffload
	}
	dev, err := wrap(first, o)
	if err != nil {
		return nil, err
	}
	d := newNative(dev, ctl, o.MTU)
	uso := !o.NoUSO && setOffload(first, tcpOffload|udpOffload) == nil
	if !uso { // the library may have got it
		err = setOffload(first, tcpOffload)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("tun: set offloads of %s: %w", o.Name, err)
	}
	err = d.add(first, o, uso)
	for err == nil && flags&unix.IFF_MULTI_QUEUE != 0 && len(d.queues) < o.Queues {
		var f *os.File
		if f, err = openQueue(o, flags, 0); err == nil {
			err = d.add(f, o, uso)
		}
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	d.Queue = d.queues[0]
	d.noteRaw(o, uso)
	return d, nil
}

// noteRaw notes what o asks for and the device does not have.
func (d *Native) noteRaw(o Options, uso bool) {
	switch {
	case o.NoUSO:
		d.notes = append(d.notes, noteUSOOff)
	case !uso:
		d.notes = append(d.notes, noteNoUSO)
	}
	if len(d.queues) < o.Queues {
		d.notes = append(d.notes, noteOneQueue)
	}
	switch {
	case o.NoRing:
		d.notes = append(d.notes, noteRingOff)
	case !d.ringed():
		d.notes = append(d.notes, noteNoRing)
	}
}

// openFirst makes the interface: with one queue where one is asked for, or where
// the kernel has no more. It opens with open, which is openQueue.
func openFirst(o Options, open func(Options, int, int) (*os.File, error)) (*os.File, int, error) {
	if o.Queues > 1 {
		const flags = rawFlags | unix.IFF_MULTI_QUEUE
		if f, err := open(o, flags, 0); err == nil {
			return f, flags, nil
		}
	}
	f, err := open(o, rawFlags, 0)
	return f, rawFlags, err
}

const (
	tcpOffload = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	udpOffload = unix.TUN_F_USO4 | unix.TUN_F_USO6 // since Linux 6.2
)

func setOffload(f *os.File, offload int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(conn.Control(func(fd uintptr) {
		err = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, offload)
	}), err)
}

// openQueue makes the interface, or adds a queue to it. This and not wireguard's
// CreateTUN, which leaks its descriptor where the kernel says no. Files opened
// with unix.O_NONBLOCK are the runtime's to poll.
func openQueue(o Options, flags, mode int) (*os.File, error) {
	fd, err := unix.Open(clonePath, unix.O_RDWR|unix.O_CLOEXEC|mode, 0)
	if err != nil {
		return nil, openError(o.Name, err)
	}
	ifr, err := unix.NewIfreq(o.Name)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tun: %q cannot be an interface name: it must have 1 to %d bytes; change tun.name", o.Name, unix.IFNAMSIZ-1)
	}
	ifr.SetUint16(uint16(flags))
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		unix.Close(fd)
		return nil, openError(o.Name, err)
	}
	return os.NewFile(uintptr(fd), clonePath), nil
}

// wrap gives the device to the library, which owns f from then on.
func wrap(f *os.File, o Options) (wgtun.Device, error) {
	dev, err := wgtun.CreateTUNFromFile(f, o.MTU)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("tun: set up %s with mtu %d: %w", o.Name, o.MTU, err)
	}
	return dev, nil
}
