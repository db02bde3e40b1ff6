// Package tuntest is a TUN device without a kernel, and the suite that it and
// the real one pass.
package tuntest

import (
	"bytes"
	"hash/maphash"
	"net"
	"sync"
	"sync/atomic"

	"warren/packet"
	"warren/tun"
)

// A Device is a tun.Device without a kernel: ReadBatch yields what the test
// Injects, and Written what the code under test wrote. It keeps the contract of a
// real device: batches of more than one, short reads, packets destroyed by the
// write, and net.ErrClosed after Close. With several queues the packets of a flow
// come by the one that its answers were last written by.
type Device struct {
	*queue    // the first
	queues    []*queue
	name      string
	mtu       atomic.Int64
	out       chan []byte
	refusing  atomic.Bool
	closed    chan struct{}
	closeOnce sync.Once

	mu    sync.Mutex
	steer map[packet.Flow]*queue // guarded by mu
	seed  maphash.Seed
}

// A queue is one queue of a Device.
type queue struct {
	d  *Device
	in chan *packet.Packet
}

var _ tun.Device = (*Device)(nil)

const queueLen = 8192

// New returns a Device with the given MTU and one queue.
func New(mtu int) *Device { return NewQueues(mtu, 1) }

// NewQueues returns a Device with n queues.
func NewQueues(mtu, n int) *Device {
	d := &Device{
		name: "fake0", out: make(chan []byte, queueLen), closed: make(chan struct{}),
		steer: make(map[packet.Flow]*queue), seed: maphash.MakeSeed(),
	}
	for range n {
		d.queues = append(d.queues, &queue{d, make(chan *packet.Packet, queueLen)})
	}
	d.queue = d.queues[0]
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
	p.Segment = int32(segment)
	d.queueOf(b).in <- p
}

// Written yields the packets that were written.
func (d *Device) Written() <-chan []byte { return d.out }

// Refuse makes writes fail packet by packet, or stop failing.
func (d *Device) Refuse(yes bool) { d.refusing.Store(yes) }

// ReadBatch is tun.Queue's.
func (q *queue) ReadBatch(b packet.Batch) (int, error) {
	select { // closed wins over what is queued
	case <-q.d.closed:
		return 0, net.ErrClosed
	default:
	}
	select {
	case p := <-q.in:
		*b[0] = *p
	case <-q.d.closed:
		return 0, net.ErrClosed
	}
	n, _ := q.TryBatch(b[1:]) // closed is said the next time
	return 1 + n, nil
}

// TryBatch is tun.Queue's.
func (q *queue) TryBatch(b packet.Batch) (n int, err error) {
	select {
	case <-q.d.closed:
		return 0, net.ErrClosed
	default:
	}
	for ; n < len(b) && len(q.in) > 0; n++ { // one reader, so len is a promise
		*b[n] = *<-q.in
	}
	return n, nil
}

// FD is tun.Queue's.
func (q *queue) FD() int { return -1 }

// WriteBatch is tun.Queue's. A full device refuses the packet.
func (q *queue) WriteBatch(b packet.Batch) (n int, err error) {
	select {
	case <-q.d.closed:
		return 0, net.ErrClosed
	default:
	}
	for _, p := range b {
		if p.Drop == packet.Live && q.write(p) {
			n++
		}
	}
	return n, nil
}

func (q *queue) write(p *packet.Packet) bool {
	ok := !q.d.refusing.Load() && p.Len() > 0 && p.Segment == 0
	if ok {
		q.d.steerBack(p.Bytes(), q)
		select {
		case q.d.out <- bytes.Clone(p.Bytes()):
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

// Queues is tun.Device's.
func (d *Device) Queues() (list []tun.Queue) {
	for _, q := range d.queues {
		list = append(list, q)
	}
	return list
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

// Info is tun.Device's.
func (d *Device) Info() tun.Info {
	return tun.Info{Queues: len(d.queues), VNet: true, TSO: true, USO: true}
}

// Close is tun.Device's.
func (d *Device) Close() error {
	d.closeOnce.Do(func() { close(d.closed) })
	return nil
}
