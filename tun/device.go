// Package tun is the edge of the node that faces its own kernel: a device from
// which whole IP packets are read in batches and to which they are written.
//
// The real device is a Linux TUN, made through golang.zx2c4.com/wireguard/tun
// and opened with a virtio header: what the kernel would cut (TSO, USO) is read
// as super-packets, and packets of one flow are written as such. Where the kernel
// has no virtio header that library reads and writes packet by packet. Package
// tuntest is the same device without a kernel; both pass tuntest.Contract.
//
// Only the device itself is made here, up and with its MTU. Its addresses and
// the routes that lead to it belong to package host.
package tun

import "warren/packet"

// A Queue carries IP packets between the node and its kernel. A device has one or
// more; the packets of one flow come by the same one.
//
// One goroutine may read while others write; WriteBatch may be called by several
// goroutines at once.
type Queue interface {
	// ReadBatch fills the packets of b from the front, in the order in which
	// the kernel sent them, and returns how many it filled: at least one, unless
	// there is an error. It lends each its bytes, with packet.Headroom in front
	// and packet.Tailroom behind, until the next call. One with Segment set is
	// a super-packet, which packet.Splitter cuts. ReadBatch blocks until there
	// is a packet or the device is closed; then, and only then, it returns an
	// error, which is net.ErrClosed after Close.
	ReadBatch(b packet.Batch) (int, error)

	// TryBatch is ReadBatch, but returns 0 where that would block.
	TryBatch(b packet.Batch) (int, error)

	// FD is the descriptor to poll before TryBatch. It is -1 where there is
	// none: then only ReadBatch waits.
	FD() int

	// WriteBatch gives the live packets of b, no super-packets, to the kernel,
	// those of a flow together and in their order, and returns how many
	// it took. A packet that it refuses is marked packet.TunError. The bytes
	// of b are undefined afterwards. The error is net.ErrClosed, and then nothing of b
	// was written.
	WriteBatch(b packet.Batch) (int, error)
}

// A Device is a TUN interface; itself it is its first queue.
type Device interface {
	Queue

	// Queues returns all queues: the same ones every time.
	Queues() []Queue

	// Name returns the interface's name.
	Name() string

	// SetMTU changes the interface's MTU.
	SetMTU(mtu int) error

	// MTU returns the MTU last set.
	MTU() int

	// Info says which of the kernel's offloads are in use now.
	Info() Info

	// Close removes the interface and ends a blocked ReadBatch of any queue. A second call
	// does nothing.
	Close() error
}

// Info is how a device moves packets.
type Info struct {
	Queues int
	VNet   bool // with virtio headers; else packet by packet
	TSO    bool // TCP super-packets both ways
	USO    bool // UDP super-packets both ways
	Ring   bool // several packets are read at once (io_uring)

	// Notes say why something above is not what it could be: what, and what to
	// do about it.
	Notes []string
}

// Options describe the device to make.
type Options struct {
	Name string // of the interface; "warren0" when empty
	MTU  int    // 1500 when zero

	// Queues is how many queues to make; 1 when zero. There are fewer where the
	// kernel makes only one.
	Queues int

	// NoTSO opens the device without virtio header, as where the kernel has no
	// offloads: every packet is read and written by itself, by one queue. NoUSO
	// does that to UDP alone, as kernels before 6.2.
	NoTSO, NoUSO bool

	// NoRing reads each packet by a system call of its own, as where the kernel has
	// no io_uring.
	NoRing bool
}
