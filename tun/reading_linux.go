package tun

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/poll"
)

// A reading is the reading side of a rawQueue. It belongs to one goroutine.
type reading struct {
	slab []byte // what packets that were read lie in
	pos  int    // where the rest of it starts

	// The reads under way: where each goes and what it got, as poll.Ring says it.
	bufs  [maxAhead][]byte
	sizes [maxAhead]int
	count int
	read  func(fd uintptr) // made once: a closure per call would be garbage

	// ring does several reads in one call; nil where the kernel can't. ahead is how
	// many packets there probably are: as many as the last time.
	ring    *poll.Ring
	ringErr error
	ahead   int
	ringed  atomic.Bool // there is a ring, for whoever asks
	lost    atomic.Bool // there was one, and reads by it failed
}

const (
	// maxRead is how many bytes are read before they are sealed and sent: a
	// super-packet or two, which stay in the cache.
	maxRead = 64 << 10

	// maxAhead is how many packets are read at once: as many as one sendmsg takes.
	maxAhead = 64

	// smallLen is the most that packets have on average of which several are read at
	// once: of super-packets there is to be one at a time in the cache.
	smallLen = 2048

	// slotLen is what one read may need.
	slotLen = packet.Headroom + packet.MaxPacket + packet.Tailroom + cacheLine

	slabLen   = (maxAhead + 4) * slotLen // small packets touch little of it
	cacheLine = 64
)

// init makes r ready, with a ring or without one.
func (r *reading) init(ring *poll.Ring) {
	r.slab, r.ring, r.ahead = make([]byte, slabLen), ring, 1
	r.ringed.Store(ring != nil)
	r.read = func(fd uintptr) {
		if r.count > 1 {
			r.ringErr = r.ring.Read(fd, r.bufs[:r.count], r.sizes[:r.count])
			return
		}
		b := r.bufs[0]
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if r.sizes[0] = int(n); errno != 0 {
			r.sizes[0] = -int(errno)
		}
	}
}

// free is how many packets of any size fit into what is left of the slab.
func (r *reading) free() int { return (len(r.slab) - r.pos) / slotLen }

// aim prepares n reads.
func (r *reading) aim(n int) {
	r.count = n
	for i := range n {
		at := r.pos + i*slotLen
		r.bufs[i] = r.slab[at+packet.Headroom-vnetLen : at+slotLen-packet.Tailroom]
	}
}

// expect guesses from the last n packets of total bytes how many there will be.
func (r *reading) expect(n, total int) {
	r.ahead = 1
	if r.ring != nil && total < n*smallLen {
		r.ahead = min(n, maxAhead)
	}
}

// closeRing does without the ring from now on.
func (r *reading) closeRing() {
	if r.ring != nil {
		r.ring.Close()
	}
	r.ring, r.ahead = nil, 1
	r.ringed.Store(false)
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
	total := 0
	for more := true; more && n < len(b) && total < maxRead && q.free() > 0; {
		q.aim(min(q.ahead, len(b)-n, q.free()))
		if err = q.file.Call(q.read); err != nil {
			q.closeRing()
			break
		}
		more, err = q.outcome()
		got, bytes := q.take(b[n:])
		n, total = n+got, total+bytes
	}
	if n == 0 {
		return 0, err
	}
	q.expect(n, total)
	return n, nil // what is in hand first: an error comes again
}

// outcome reports whether there may be more to read than what the reads got.
func (q *rawQueue) outcome() (more bool, err error) {
	if q.count > 1 && (q.ringErr != nil || unfit(q.sizes[0])) {
		q.lost.Store(true)
		q.closeRing()
		q.count = 0
		return true, nil
	}
	for _, size := range q.sizes[:q.count] {
		switch errno := unix.Errno(-size); {
		case size > 0, errno == unix.EINTR:
		case size == 0, errno == unix.EAGAIN:
			return false, nil
		case errno == unix.EBADFD:
			return false, q.dev.deleted()
		default:
			return false, fmt.Errorf("tun: read %s: %w", q.dev.ctl.name, errno)
		}
	}
	return true, nil
}

// unfit reports whether the kernel cannot do such reads by a ring.
func unfit(size int) bool {
	return size == -int(unix.EOPNOTSUPP) || size == -int(unix.EINVAL)
}

// take makes what the reads got the first packets of b, and returns how many there
// are and their bytes.
func (q *rawQueue) take(b packet.Batch) (n, total int) {
	start, count := q.pos, q.count
	for i, size := range q.sizes[:count] {
		at := start + i*slotLen
		if size < 0 {
			continue
		}
		if !accept(b[n], q.slab[at:at+slotLen], size-vnetLen) {
			q.dev.badReads.Add(1)
			continue
		}
		q.pos = at + slotLen
		if count == 1 { // the next one may be right behind
			q.pos = (at + packet.Headroom + b[n].Len() + packet.Tailroom + cacheLine - 1) &^ (cacheLine - 1)
		}
		total += b[n].Len()
		n++
	}
	return n, total
}

// accept makes the size bytes that were read to slot, behind their virtio header,
// the packet p, and reports false where they are none.
func accept(p *packet.Packet, slot []byte, size int) bool {
	if size <= 0 {
		return false
	}
	end := packet.Headroom + size
	limit := end + packet.Tailroom
	header := vnet(slot[packet.Headroom-vnetLen:])
	p.Lend(slot[:limit:limit], packet.Headroom, end)
	return header.take(p)
}
