package underlay

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"warren/packet"
)

// A reader reads one socket. It receives next to each other in a slab of its own
// and hands the datagrams out as they lie there. What does not fit the caller's
// batch waits for the next.
type reader struct {
	sock *socket
	msg  message
	slab []byte
	pos  int // of what is free
	n    int
	err  unix.Errno
	call func(fd uintptr) // made once: a closure per call would be garbage

	rest    []byte // of slab: datagrams not handed out yet, each behind gap bytes
	gap     int
	segment int // their size; the last may be shorter
	tos     uint8
	ends    []packet.Ends // of the runs handed out, the last being that in hand
}

const (
	// receiveLen is the largest run that the kernel coalesces, with a header
	// where it delivers that.
	receiveLen = 1<<16 + packet.IPv4HeaderLen

	// headroom is kept in front of what is received: with what ESP takes off,
	// enough for an IP header in its stead.
	headroom = 32

	// maxSpread is how many datagrams of a run may have headroom each: the kernel
	// coalesces no more (UDP_GRO_CNT_MAX).
	maxSpread = 64

	needLen = headroom + receiveLen + maxSpread*headroom
	slabLen = 4 * needLen

	// maxRead is how many bytes are read before they are opened and delivered,
	// so that they stay in the cache.
	maxRead = 64 << 10

	cacheLine = 64
)

func newReader(s *socket) *reader {
	r := &reader{sock: s, slab: make([]byte, slabLen)}
	r.call = func(fd uintptr) { r.n, r.err = r.msg.recv(fd, r.slab[r.pos+headroom:][:receiveLen]) }
	return r
}

// FD is Reader's.
func (r *reader) FD() int { return r.sock.file.FD() }

// ReadBatch is Reader's.
func (r *reader) ReadBatch(b packet.Batch) (int, error) {
	for {
		n, err := r.TryBatch(b)
		if n > 0 || err != nil {
			return n, err
		}
		if err := r.sock.file.Wait(); err != nil {
			return 0, err
		}
	}
}

// TryBatch is Reader's.
func (r *reader) TryBatch(b packet.Batch) (int, error) {
	if n := len(r.ends); r.rest == nil {
		r.pos, r.ends = 0, r.ends[:0]
	} else {
		r.ends = append(r.ends[:0], r.ends[n-1])
	}
	n := r.split(b)
	for n < len(b) && r.pos < maxRead && r.pos+needLen <= len(r.slab) {
		got, err := r.receive()
		if err != nil && n == 0 {
			return 0, err
		}
		if err != nil || !got {
			break // what is in hand first: the error comes again
		}
		n += r.split(b[n:])
	}
	return n, nil
}

// receive takes the next run from the kernel, without waiting for one.
func (r *reader) receive() (bool, error) {
	for {
		if err := r.sock.file.Call(r.call); err != nil {
			return false, err
		}
		switch r.err {
		case 0:
			r.accept()
			return true, nil
		case unix.EAGAIN:
			return false, nil
		case unix.EBADF, unix.ENOTSOCK, unix.EFAULT, unix.EINVAL:
			return false, fmt.Errorf("underlay: read %s: %w", r.sock.file.Name(), r.err)
		}
		// Anything else is about one datagram, such as an ICMP error.
	}
}

// accept takes note of the run that was received.
func (r *reader) accept() {
	a := parseControl(r.msg.controls())
	remote := r.msg.remote()
	from, n := r.pos+headroom, r.n
	r.segment, r.gap = a.segment, 0
	if r.segment <= 0 {
		r.segment = max(n, 1)
	}
	if r.sock.role == roleESP {
		remote = netip.AddrPortFrom(remote.Addr(), 0)
		if !r.sock.v6 {
			var header int
			header, a.tos = ipv4Header(r.slab[from : from+n])
			from, n = from+header, n-header
		}
	}
	if n <= r.segment || r.sock.v6 && n <= maxSpread*r.segment {
		n = r.spread(from, n)
		from -= headroom
		r.gap = headroom
	}
	r.tos = a.tos
	r.ends = append(r.ends, packet.Ends{Local: netip.AddrPortFrom(a.local, r.sock.port), Remote: remote})
	r.rest = r.slab[from : from+n : from+n]
	r.pos = (from + n + cacheLine - 1) &^ (cacheLine - 1)
}

// ipv4Header returns the length and the TOS of the header that raw IPv4 sockets,
// alone, deliver; the kernel has checked it.
func ipv4Header(b []byte) (n int, tos uint8) {
	if len(b) < packet.IPv4HeaderLen {
		return len(b), 0
	}
	return min(int(b[0]&0xf)*4, len(b)), b[1]
}

// spread moves the datagrams of the run slab[from:from+n] apart, so that there is
// headroom in front of each, and returns how long that is with the first one's:
// over IPv6 a header may have to go there. It goes from the back, so that nothing
// is overwritten.
func (r *reader) spread(from, n int) int {
	count := max(1, (n+r.segment-1)/r.segment)
	for i := count - 1; i > 0; i-- {
		at := from + i*r.segment
		end := min(at+r.segment, from+n)
		copy(r.slab[at+i*headroom:], r.slab[at:end])
	}
	return n + count*headroom
}

// split hands out the datagrams in hand and returns how many.
func (r *reader) split(b packet.Batch) (n int) {
	if r.rest == nil {
		return 0
	}
	ends := &r.ends[len(r.ends)-1]
	for ; n < len(b) && r.rest != nil; n++ {
		end := min(r.gap+r.segment, len(r.rest))
		p := b[n]
		p.Lend(r.rest[:end:end], r.gap, end)
		r.rest = r.rest[end:]
		if len(r.rest) == 0 {
			r.rest = nil
		}
		p.Ends, p.TOS = ends, r.tos
		classify(p, r.sock.role)
	}
	return n
}
