// Package tun is the edge of the node that faces its own kernel: a device from
// which whole IP packets are read in batches and to which they are written.
//
// The real device is a Linux TUN opened with a virtio header, through
// golang.zx2c4.com/wireguard/tun: super-packets (TSO, USO) are split on read,
// and packets of one flow are coalesced on write. Package tuntest is the same
// device without a kernel; both pass tuntest.Contract.
//
// Only the device itself is made here, up and with its MTU. Its addresses and
// the routes that lead to it belong to package host. More than one queue per
// device is not implemented.
package tun

import "warren/packet"

// A Device carries IP packets between the node and its kernel.
//
// One goroutine may read while others write; WriteBatch may be called by several
// goroutines at once.
type Device interface {
	// ReadBatch fills the packets of b from the front, in the order in which
	// the kernel sent them, and returns how many it filled: at least one, unless
	// there is an error. Each filled packet is Reset with packet.Headroom in
	// front. It blocks until there is a packet or the device is closed; then,
	// and only then, it returns an error, which is net.ErrClosed after Close.
	ReadBatch(b packet.Batch) (int, error)

	// WriteBatch gives the live packets of b to the kernel and returns how many
	// it took. A packet that it refuses is marked packet.TunError. The bytes
	// of b, and up to WriteHeadroom bytes in front of each packet, are
	// undefined afterwards. The error is net.ErrClosed, and then nothing of b
	// was written.
	WriteBatch(b packet.Batch) (int, error)

	// Name returns the interface's name.
	Name() string

	// SetMTU changes the interface's MTU.
	SetMTU(mtu int) error

	// MTU returns the MTU last set.
	MTU() int

	// Close removes the interface and ends a blocked ReadBatch. A second call
	// does nothing.
	Close() error
}

// WriteHeadroom is how many bytes in front of a packet WriteBatch may use.
const WriteHeadroom = 10

// Options describe the device to make.
type Options struct {
	Name string // of the interface; "warren0" when empty
	MTU  int    // 1500 when zero
}
