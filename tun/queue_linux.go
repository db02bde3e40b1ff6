package tun

import (
	"fmt"
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

	slab []byte // what packets that were read lie in
	in   vnetCall
	pos  int
	size int
	err  unix.Errno
	read func(fd uintptr) // made once: a closure per call would be garbage

	writeMu  sync.Mutex // guards what follows
	runs     packet.Coalescer
	out      vnetCall
	vecs     int
	writeErr unix.Errno
	write    func(fd uintptr)
	tso, uso bool // whether the kernel cuts TCP and UDP
	refused  bool // whether it said so, and then did not
}

// A vnetCall is the arguments of a readv or writev: a virtio header, and a packet
// in parts.
type vnetCall struct {
	header vnet
	vec    [1 + packet.MaxSegments]unix.Iovec
}

const (
	// maxRead is how many bytes are read before they are sealed and sent: a
	// super-packet or two, which stay in the cache.
	maxRead = 64 << 10

	// slotLen is what one read may need.
	slotLen = packet.Headroom + packet.MaxPacket + packet.Tailroom + cacheLine

	slabLen   = 4 * slotLen
	cacheLine = 64
)

func newRawQueue(d *Native, f *poll.File, uso bool) *rawQueue {
	q := &rawQueue{dev: d, file: f, slab: make([]byte, slabLen), tso: true, uso: uso}
	q.in.set(0, q.in.header[:])
	q.out.set(0, q.out.header[:])
	q.read = func(fd uintptr) {
		n, _, errno := unix.RawSyscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&q.in.vec[0])), 2)
		q.size, q.err = int(n), errno
	}
	q.write = func(fd uintptr) {
		_, _, q.writeErr = unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&q.out.vec[0])), uintptr(q.vecs))
	}
	return q
}

func (c *vnetCall) set(i int, b []byte) {
	c.vec[i].Base = unsafe.SliceData(b)
	c.vec[i].SetLen(len(b))
}

// FD is Queue's.
func (q *rawQueue) FD() int { return q.file.FD() }

// ReadBatch is Queue's.
func (q *rawQueue) ReadBatch(b packet.Batch) (int, error) {
	for {
		n, err := q.TryBatch(b)
		if n > 0 || err != nil {
			return n, err
		}
		if err := q.file.Wait(); err != nil {
			return 0, err
		}
	}
}

// TryBatch is Queue's.
func (q *rawQueue) TryBatch(b packet.Batch) (n int, err error) {
	q.pos = 0
	for total := 0; n < len(b) && total < maxRead && q.pos+slotLen <= len(q.slab); {
		got, err := q.next()
		if err != nil && n == 0 {
			return 0, err
		}
		if err != nil || !got {
			break // what is in hand first: the error comes again
		}
		if q.accept(b[n]) {
			total += b[n].Len()
			n++
		}
	}
	return n, nil
}

// next reads one packet to the free part of the slab, without waiting for one.
func (q *rawQueue) next() (bool, error) {
	q.in.set(1, q.slab[q.pos+packet.Headroom:q.pos+slotLen-packet.Tailroom])
	for {
		if err := q.file.Call(q.read); err != nil {
			return false, err
		}
		switch q.err {
		case 0:
			return true, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false, nil
		case unix.EBADFD:
			return false, q.dev.deleted()
		}
		return false, fmt.Errorf("tun: read %s: %w", q.dev.ctl.name, q.err)
	}
}

// accept makes what next read the packet p, and reports false where it is none.
func (q *rawQueue) accept(p *packet.Packet) bool {
	off := q.pos + packet.Headroom
	end := off + q.size - len(q.in.header)
	if end <= off {
		q.dev.badReads.Add(1)
		return false
	}
	limit := end + packet.Tailroom
	p.Lend(q.slab[q.pos:limit:limit], packet.Headroom, end-q.pos)
	if !q.in.header.take(p) {
		q.dev.badReads.Add(1)
		return false
	}
	q.pos = (limit + cacheLine - 1) &^ (cacheLine - 1)
	return true
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
