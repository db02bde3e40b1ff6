// Package tuntest is a TUN device without a kernel, and the suite that it and
// the real one pass.
package tuntest

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"

	"warren/packet"
	"warren/tun"
)

// A Device is a tun.Device without a kernel: ReadBatch yields what the test
// Injects, and Written what the code under test wrote. It keeps the contract of a
// real device: batches of more than one, short reads, packets destroyed by the
// write, and net.ErrClosed after Close.
type Device struct {
	name      string
	mtu       atomic.Int64
	in        chan *packet.Packet
	out       chan []byte
	refusing  atomic.Bool
	closed    chan struct{}
	closeOnce sync.Once
}

var _ tun.Device = (*Device)(nil)

const queue = 8192

// New returns a Device with the given MTU.
func New(mtu int) *Device {
	d := &Device{
		name: "fake0", in: make(chan *packet.Packet, queue), out: make(chan []byte, queue), closed: make(chan struct{}),
	}
	d.mtu.Store(int64(mtu))
	return d
}

// Inject makes the kernel, so to speak, send packets. It copies them.
func (d *Device) Inject(packets ...[]byte) {
	for _, b := range packets {
		d.InjectSuper(b, 0)
	}
}

// InjectSuper makes it send a super-packet with segments of so many bytes.
func (d *Device) InjectSuper(b []byte, segment int) {
	p := packet.New(len(b))
	p.Set(b)
	p.Segment = segment
	d.in <- p
}

// Written yields the packets that were written.
func (d *Device) Written() <-chan []byte { return d.out }

// Refuse makes writes fail packet by packet, or stop failing.
func (d *Device) Refuse(yes bool) { d.refusing.Store(yes) }

// ReadBatch is tun.Device's.
func (d *Device) ReadBatch(b packet.Batch) (int, error) {
	select { // closed wins over what is queued
	case <-d.closed:
		return 0, net.ErrClosed
	default:
	}
	select {
	case p := <-d.in:
		*b[0] = *p
	case <-d.closed:
		return 0, net.ErrClosed
	}
	n, _ := d.TryBatch(b[1:]) // closed is said the next time
	return 1 + n, nil
}

// TryBatch is tun.Device's.
func (d *Device) TryBatch(b packet.Batch) (n int, err error) {
	select {
	case <-d.closed:
		return 0, net.ErrClosed
	default:
	}
	for ; n < len(b) && len(d.in) > 0; n++ { // one reader, so len is a promise
		*b[n] = *<-d.in
	}
	return n, nil
}

// FD is tun.Device's.
func (d *Device) FD() int { return -1 }

// Queues is tun.Device's.
func (d *Device) Queues() []tun.Queue { return []tun.Queue{d} }

// WriteBatch is tun.Device's. A full queue refuses the packet.
func (d *Device) WriteBatch(b packet.Batch) (n int, err error) {
	select {
	case <-d.closed:
		return 0, net.ErrClosed
	default:
	}
	for _, p := range b {
		if p.Drop == packet.Live && d.write(p) {
			n++
		}
	}
	return n, nil
}

func (d *Device) write(p *packet.Packet) bool {
	ok := !d.refusing.Load() && p.Len() > 0 && p.Segment == 0
	if ok {
		select {
		case d.out <- bytes.Clone(p.Bytes()):
		default:
			ok = false
		}
	}
	if !ok {
		p.Drop = packet.TunError
	}
	spoil(p)
	return ok
}

// spoil overwrites what the real device may overwrite.
func spoil(p *packet.Packet) {
	b := p.Bytes()
	for i := range b {
		b[i] = 0xee
	}
}

// Name is tun.Device's.
func (d *Device) Name() string { return d.name }

// MTU is tun.Device's.
func (d *Device) MTU() int { return int(d.mtu.Load()) }

// SetMTU is tun.Device's.
func (d *Device) SetMTU(mtu int) error {
	d.mtu.Store(int64(mtu))
	return nil
}

// Close is tun.Device's.
func (d *Device) Close() error {
	d.closeOnce.Do(func() { close(d.closed) })
	return nil
}
