package underlay

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"warren/packet"
)

// A sender is the state of sendmsg calls on one socket, under its lock.
type sender struct {
	msg            message
	parts, control int
	err            unix.Errno
	call           func(fd uintptr) // made once: a closure per call would be garbage
}

func (s *sender) init() {
	s.call = func(fd uintptr) { s.err = s.msg.send(fd, s.parts, s.control) }
}

// maxRun is the most bytes that a run may have: the largest UDP payload.
const maxRun = packet.MaxPacket - packet.IPv6HeaderLen - packet.UDPHeaderLen

// runLen returns how many packets at the front of b can go in one sendmsg: of
// one size but for a shorter last one, between the same addresses.
func runLen(b packet.Batch) int {
	first := b[0]
	size, total := first.Len(), first.Len()
	for i, p := range b[1:] {
		total += p.Len()
		if i+1 == maxSegments || p.Len() > size || p.Len() == 0 || total > maxRun ||
			p.Ends != first.Ends && *p.Ends != *first.Ends || p.TOS != first.TOS {
			return i + 1
		}
		if p.Len() < size {
			return i + 2
		}
	}
	return len(b)
}

// write sends the packets of b, all live and for this socket, and marks those
// that it could not send.
func (sock *socket) write(b packet.Batch) (sent int, err error) {
	sock.sendMu.Lock()
	defer sock.sendMu.Unlock()
	if sock.role == roleNATT {
		mark(b)
	}
	for len(b) > 0 {
		n := 1
		if sock.gso.Load() {
			n = runLen(b)
		}
		got, err := sock.writeRun(b[:n])
		sent += got
		if err != nil {
			return sent, err
		}
		b = b[n:]
	}
	return sent, nil
}

// mark puts the non-ESP marker before IKE messages (RFC 3948, Section 2.2).
func mark(b packet.Batch) {
	for _, p := range b {
		if p.Kind == packet.KindIKE {
			clear(p.Prepend(markerLen))
		}
	}
}

// writeRun sends a run in one call, or where the kernel refuses that, each
// packet in its own. A refusal may be about this run (larger than the path
// takes) or about all (no checksum offload); if the single packets pass, runs
// are not tried again.
func (sock *socket) writeRun(b packet.Batch) (sent int, err error) {
	errno, err := sock.sendmsg(b)
	if err != nil {
		return 0, err
	}
	if errno == 0 {
		return len(b), nil
	}
	if len(b) == 1 {
		b[0].Drop = refusal(errno)
		return 0, nil
	}
	for i := range b {
		n, err := sock.writeRun(b[i : i+1])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	if sent == len(b) && (errno == unix.EIO || errno == unix.EINVAL || errno == unix.EMSGSIZE || errno == unix.EOPNOTSUPP) {
		sock.gso.Store(false)
		sock.failed.Store(int32(errno))
	}
	return sent, nil
}

func (sock *socket) sendmsg(b packet.Batch) (unix.Errno, error) {
	s, p := &sock.sender, b[0]
	s.parts = 0
	for _, p := range b {
		if p.Len() == 0 {
			return unix.EINVAL, nil
		}
		s.parts = s.msg.gather(s.parts, p.Bytes())
	}
	a := ancillary{local: p.Local().Addr(), tos: p.TOS}
	if len(b) > 1 {
		a.segment = p.Len()
	}
	remote := p.Remote()
	if sock.role == roleESP { // IPv6 takes a port for another protocol than the socket's
		remote = netip.AddrPortFrom(remote.Addr(), 0)
	}
	s.msg.setRemote(remote)
	s.control = putControl(s.msg.oob[:], sock.v6, a)
	for {
		if err := sock.file.Call(s.call); err != nil {
			return 0, err
		}
		switch s.err {
		case unix.EINTR:
		case unix.EAGAIN: // a full socket buffer
			if err := sock.file.WaitWrite(); err != nil {
				return 0, err
			}
		default:
			return s.err, nil
		}
	}
}

func refusal(errno unix.Errno) packet.Drop {
	if errno == unix.EMSGSIZE {
		return packet.TooBig
	}
	return packet.SendError
}
