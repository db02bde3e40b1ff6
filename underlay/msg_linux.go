package underlay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A message is the arguments of one recvmsg or sendmsg call, kept for reuse so
// that a call allocates nothing. x/sys allocates an address per call, package
// net has no gather; hence the unsafe code, all of it in this file.
type message struct {
	hdr  unix.Msghdr
	name unix.RawSockaddrInet6 // holds a RawSockaddrInet4 as well
	iov  [maxSegments]unix.Iovec
	oob  [128]byte
}

// maxSegments is UDP_MAX_SEGMENTS of the kernels since 4.18.
const maxSegments = 64

// Both calls never block, so the scheduler need not be told of them.

// recv receives one datagram, or one run coalesced by the kernel, into buf.
func (m *message) recv(fd uintptr, buf []byte) (int, unix.Errno) {
	m.iov[0].Base = &buf[0]
	m.iov[0].SetLen(len(buf))
	m.hdr.Name = (*byte)(unsafe.Pointer(&m.name))
	m.hdr.Namelen = unix.SizeofSockaddrInet6
	m.hdr.Iov = &m.iov[0]
	m.hdr.SetIovlen(1)
	m.hdr.Control = &m.oob[0]
	m.hdr.SetControllen(len(m.oob))
	m.hdr.Flags = 0
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m.hdr)), unix.MSG_DONTWAIT)
	return int(n), errno
}

// gather adds b to the parts of what send sends, of which there are n, and returns
// how many there are then. What is right behind the last one becomes part of it:
// the kernel copies one long part faster than many.
func (m *message) gather(n int, b []byte) int {
	if n > 0 {
		last := &m.iov[n-1]
		if uintptr(unsafe.Pointer(last.Base))+uintptr(last.Len) == uintptr(unsafe.Pointer(&b[0])) {
			last.SetLen(int(last.Len) + len(b))
			return n
		}
	}
	m.iov[n].Base = &b[0]
	m.iov[n].SetLen(len(b))
	return n + 1
}

// send sends the first parts parts as one message to remote with control data.
func (m *message) send(fd uintptr, parts, control int) unix.Errno {
	m.hdr.Name = (*byte)(unsafe.Pointer(&m.name))
	m.hdr.Namelen = unix.SizeofSockaddrInet6
	if m.name.Family == unix.AF_INET {
		m.hdr.Namelen = unix.SizeofSockaddrInet4
	}
	m.hdr.Iov = &m.iov[0]
	m.hdr.SetIovlen(parts)
	m.hdr.Control = nil
	if control > 0 {
		m.hdr.Control = &m.oob[0]
	}
	m.hdr.SetControllen(control)
	m.hdr.Flags = 0
	_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&m.hdr)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return errno
}

// remote is the address that recv received from.
func (m *message) remote() netip.AddrPort {
	port := *(*[2]byte)(unsafe.Pointer(&m.name.Port))
	if m.name.Family == unix.AF_INET {
		in4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.name))
		return netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), binary.BigEndian.Uint16(port[:]))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(m.name.Addr), binary.BigEndian.Uint16(port[:]))
}

// setRemote sets the address that send sends to.
func (m *message) setRemote(to netip.AddrPort) {
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], to.Port())
	m.name = unix.RawSockaddrInet6{Family: unix.AF_INET6}
	if to.Addr().Is4() {
		in4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&m.name))
		in4.Family, in4.Addr = unix.AF_INET, to.Addr().As4()
	} else {
		m.name.Addr = to.Addr().As16()
	}
	*(*[2]byte)(unsafe.Pointer(&m.name.Port)) = port
}

// controls returns the control data that recv received.
func (m *message) controls() []byte {
	return m.oob[:min(int(m.hdr.Controllen), len(m.oob))]
}
