package tun

import (
	"net"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/poll"
)

// A rawQueue is a queue of a device with virtio headers.
type rawQueue struct {
	dev  *Native
	file *poll.File

	reading

	writeMu  sync.Mutex // guards what follows
	runs     packet.Coalescer
	out      vnetCall
	vecs     int
	writeErr unix.Errno
	write    func(fd uintptr)
	tso, uso bool // whether the kernel cuts TCP and UDP
	refused  bool // whether it said so, and then did not
}

// A vnetCall is the arguments of a writev: a virtio header, and a packet in parts.
type vnetCall struct {
	header vnet
	vec    [1 + packet.MaxSegments]unix.Iovec
}

// newRawQueue makes a queue of f. ring may be nil.
func newRawQueue(d *Native, f *poll.File, ring *poll.Ring, uso bool) *rawQueue {
	q := &rawQueue{dev: d, file: f, tso: true, uso: uso}
	q.reading.init(ring)
	q.out.set(0, q.out.header[:])
	q.write = func(fd uintptr) {
		_, _, q.writeErr = unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&q.out.vec[0])), uintptr(q.vecs))
	}
	return q
}

func (c *vnetCall) set(i int, b []byte) {
	c.vec[i].Base = unsafe.SliceData(b)
	c.vec[i].SetLen(len(b))
}

// WriteBatch is Queue's.
func (q *rawQueue) WriteBatch(b packet.Batch) (sent int, err error) {
	q.writeMu.Lock()
	defer q.writeMu.Unlock()
	if q.dev.closed.Load() {
		return 0, net.ErrClosed
	}
	runs := q.runs.Runs(b)
	for i := range runs {
		n, err := q.writeRun(&runs[i])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// writeRun writes a run as a super-packet, or where the kernel does not take that,
// packet by packet. If those pass it is not tried again.
func (q *rawQueue) writeRun(r *packet.Run) (sent int, err error) {
	cuts := &q.tso
	if r.IsUDP() {
		cuts = &q.uso
	}
	if len(r.Packets) == 1 || !*cuts {
		return q.writeEach(r.Packets)
	}
	r.Merge()
	q.out.header.describe(r)
	for i := range r.Packets {
		q.out.set(1+i, r.Payload(i))
	}
	errno, err := q.writev(1 + len(r.Packets))
	if err != nil || errno == 0 {
		return len(r.Packets), err
	}
	r.Undo()
	sent, err = q.writeEach(r.Packets)
	if sent == len(r.Packets) {
		*cuts, q.refused = false, true
	}
	return sent, err
}

// cuts reports what the kernel cuts, and whether that was more once.
func (q *rawQueue) cuts() (tso, uso, refused bool) {
	q.writeMu.Lock()
	defer q.writeMu.Unlock()
	return q.tso, q.uso, q.refused
}

func (q *rawQueue) writeEach(b packet.Batch) (sent int, err error) {
	q.out.header = vnet{}
	for _, p := range b {
		q.out.set(1, p.Bytes())
		errno, err := q.writev(2)
		if err != nil {
			return sent, err
		}
		if errno != 0 {
			p.Drop = packet.TunError
			continue
		}
		sent++
	}
	return sent, nil
}

func (q *rawQueue) writev(vecs int) (unix.Errno, error) {
	q.vecs = vecs
	for {
		if err := q.file.Call(q.write); err != nil {
			return 0, err
		}
		if q.writeErr != unix.EINTR {
			return q.writeErr, nil
		}
	}
}
