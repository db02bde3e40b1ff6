// Package poll waits for several descriptors at once on the caller's own thread,
// and lends descriptors to system calls that must not outlive them.
//
// It exists beside the runtime's poller because that one wakes a goroutine of
// its own for every descriptor: a worker that serves a TUN and its sockets on
// one thread saves those wake-ups, which cost more than the packets.
package poll

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A File is a non-blocking descriptor that the runtime's poller does not know.
// Its methods may be called from any goroutine.
type File struct {
	*os.File
	conn syscall.RawConn
	wake *Wake
}

// NewFile makes f, which was opened as blocking, a File that owns it.
func NewFile(f *os.File) (*File, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("poll: %s: %w", f.Name(), err)
	}
	w, err := NewWake()
	if err != nil {
		return nil, err
	}
	out := &File{f, conn, w}
	if err := out.Call(func(fd uintptr) { err = unix.SetNonblock(int(fd), true) }); err != nil {
		return nil, err
	}
	return out, err
}

// Call runs f with the descriptor, which stays open until f returns. The error
// is net.ErrClosed, and then f did not run.
func (f *File) Call(do func(fd uintptr)) error {
	if f.conn.Control(do) != nil {
		return net.ErrClosed
	}
	return nil
}

// FD returns the descriptor for a Set, -1 after Close.
func (f *File) FD() int {
	fd := -1
	_ = f.Call(func(n uintptr) { fd = int(n) })
	return fd
}

// Wait blocks until there is something to read, or an error to be read, or Close
// was called: a call will tell.
func (f *File) Wait() error {
	return f.wait(unix.POLLIN)
}

// WaitWrite blocks until there is room to write.
func (f *File) WaitWrite() error { return f.wait(unix.POLLOUT) }

func (f *File) wait(events int16) error {
	var err error
	if closed := f.wake.Call(func(wake uintptr) {
		err = f.Call(func(fd uintptr) {
			s := Set{{Fd: int32(fd), Events: events}, {Fd: int32(wake), Events: unix.POLLIN}}
			_ = s.Wait(true)
		})
	}); closed != nil {
		return closed
	}
	return err
}

// Close closes the descriptor and ends what waits for it.
func (f *File) Close() error {
	f.wake.Signal()
	return errors.Join(f.File.Close(), f.wake.Close())
}

// A Wake is an event that ends the waiting of a Set once and for all.
type Wake struct {
	f    *os.File
	conn syscall.RawConn
}

// NewWake returns a Wake that was not signalled.
func NewWake() (*Wake, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("poll: make an event: %w", err)
	}
	f := os.NewFile(uintptr(fd), "event")
	conn, err := f.SyscallConn()
	return &Wake{f, conn}, err
}

// Call is as File's.
func (w *Wake) Call(do func(fd uintptr)) error {
	if w.conn.Control(do) != nil {
		return net.ErrClosed
	}
	return nil
}

// Signal makes the Wake readable.
func (w *Wake) Signal() {
	_ = w.Call(func(fd uintptr) { _, _ = unix.Write(int(fd), []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
}

// Close closes the Wake.
func (w *Wake) Close() error { return w.f.Close() }

// A Set is descriptors to wait for.
type Set []unix.PollFd

// Add adds a descriptor to be read.
func (s *Set) Add(fd int) { *s = append(*s, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}) }

// Ready reports whether something is to be done about the i-th descriptor.
func (s Set) Ready(i int) bool { return s[i].Revents != 0 }

// patience is how long Wait keeps its processor from the runtime: as long as more
// is likely to come at once. Telling the runtime of a short wait has it look for
// other work, and wake its own threads twice, which costs more than the wait.
const patience = 200 * time.Microsecond

// Wait finds out which descriptors are ready; with block it waits until one is.
func (s Set) Wait(block bool) error {
	if !block {
		_, err := s.brief(0)
		return err
	}
	if n, err := s.brief(patience); n > 0 || err != nil {
		return err
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&s[0])), uintptr(len(s)), 0, 0, 0, 0)
		if errno != unix.EINTR {
			return failed(errno)
		}
	}
}

// brief waits without the runtime's knowing, and returns how many descriptors are
// ready. A signal ends it: that is how the runtime asks for the processor.
func (s Set) brief(d time.Duration) (ready int, err error) {
	limit := unix.NsecToTimespec(int64(d))
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&s[0])), uintptr(len(s)), uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno == unix.EINTR {
		return 0, nil
	}
	return int(n), failed(errno)
}

func failed(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return fmt.Errorf("poll: %w", errno)
}
