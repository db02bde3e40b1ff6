package underlay

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"warren/packet"
)

// A reader reads one socket. It receives into a buffer of its own, as big as
// the largest run that the kernel coalesces, and copies each datagram out: what
// does not fit the caller's batch waits for the next.
type reader struct {
	sock *socket
	msg  message
	buf  []byte
	wait bool                  // whether poll is to wait for a datagram
	poll func(fd uintptr) bool // made once: a closure per call would be garbage
	n    int
	err  unix.Errno

	rest    []byte // of buf: datagrams not handed out yet
	segment int    // their size; the last may be shorter
	from    datagram
}

// datagram is what the datagrams of one run have in common.
type datagram struct {
	local, remote netip.AddrPort
	tos           uint8
}

const receiveLen = 1<<16 + packet.IPv4HeaderLen

func newReader(s *socket) *reader {
	r := &reader{sock: s, buf: make([]byte, receiveLen)}
	r.poll = func(fd uintptr) bool {
		for {
			r.n, r.err = r.msg.recv(fd, r.buf)
			if r.err != unix.EINTR {
				return r.err != unix.EAGAIN || !r.wait
			}
		}
	}
	return r
}

// ReadBatch is Reader's.
func (r *reader) ReadBatch(b packet.Batch) (int, error) {
	n := r.split(b)
	for n < len(b) {
		got, err := r.receive(n == 0)
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

// receive takes the next run from the kernel, and waits for one if told to.
func (r *reader) receive(wait bool) (bool, error) {
	for {
		r.wait = wait
		if err := r.sock.conn.Read(r.poll); err != nil {
			return false, net.ErrClosed // poll has no other error without deadlines
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
	r.rest, r.segment = r.buf[:r.n], a.segment
	if r.segment <= 0 {
		r.segment = max(r.n, 1)
	}
	if r.sock.role == roleESP {
		remote = netip.AddrPortFrom(remote.Addr(), 0)
		if !r.sock.v6 {
			a.tos = r.stripIPv4()
		}
	}
	r.from = datagram{netip.AddrPortFrom(a.local, r.sock.port), remote, a.tos}
	if len(r.rest) == 0 {
		r.rest = r.buf[:0:1] // an empty datagram is one, too
	}
}

// stripIPv4 takes off the header that raw IPv4 sockets, alone, deliver; the
// kernel has checked it.
func (r *reader) stripIPv4() (tos uint8) {
	if len(r.rest) < packet.IPv4HeaderLen {
		r.rest = r.rest[:0]
		return 0
	}
	tos = r.rest[1]
	r.rest = r.rest[min(int(r.rest[0]&0xf)*4, len(r.rest)):]
	return tos
}

// split hands out the datagrams in hand and returns how many.
func (r *reader) split(b packet.Batch) (n int) {
	for ; n < len(b) && r.rest != nil; n++ {
		d := r.rest[:min(r.segment, len(r.rest))]
		r.rest = r.rest[len(d):]
		if len(r.rest) == 0 {
			r.rest = nil
		}
		p := b[n]
		p.Set(d)
		p.Local, p.Remote, p.TOS = r.from.local, r.from.remote, r.from.tos
		if p.Drop == packet.Live {
			classify(p, r.sock.role)
		}
	}
	return n
}
