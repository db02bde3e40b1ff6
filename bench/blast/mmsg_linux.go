package blast

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBatch is how many messages one system call takes.
const maxBatch = 64

// mmsghdr is the kernel's struct of that name on 64-bit machines.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// messages describes one buffer each for sendmmsg and recvmmsg.
type messages struct {
	hdrs []mmsghdr
	iovs []unix.Iovec
}

func newMessages(n int) *messages {
	m := &messages{make([]mmsghdr, n), make([]unix.Iovec, n)}
	for i := range m.hdrs {
		m.hdrs[i].hdr.Iov = &m.iovs[i]
		m.hdrs[i].hdr.SetIovlen(1)
	}
	return m
}

func (m *messages) set(i int, b []byte) {
	m.iovs[i].Base = &b[0]
	m.iovs[i].SetLen(len(b))
}

// send sends the first n messages and returns how many went out.
func (m *messages) send(fd, n int) (int, unix.Errno) {
	return m.call(unix.SYS_SENDMMSG, fd, n, 0)
}

// receive returns how many messages were there.
func (m *messages) receive(fd int) (int, unix.Errno) {
	return m.call(unix.SYS_RECVMMSG, fd, len(m.hdrs), unix.MSG_DONTWAIT)
}

func (m *messages) call(trap uintptr, fd, n, flags int) (int, unix.Errno) {
	r, _, errno := unix.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&m.hdrs[0])), uintptr(n), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}
