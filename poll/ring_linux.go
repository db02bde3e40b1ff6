package poll

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Ring does several reads in one system call, by io_uring. It belongs to one
// goroutine. None of its reads waits, so none is under way when Do returns.
type Ring struct {
	shared
	cleanup runtime.Cleanup // where nobody calls Close

	entries []entry // reads to do
	tail    *uint32 // of these, counted up for ever
	made    uint32  // the same, on this side

	events           []event // what became of them
	doneHead, doneTo *uint32
}

// shared is what the kernel has to take back.
type shared struct {
	fd          int
	rings, sqes []byte // memory
}

func (s *shared) release() {
	if s.rings != nil {
		_ = unix.Munmap(s.rings)
	}
	if s.sqes != nil {
		_ = unix.Munmap(s.sqes)
	}
	unix.Close(s.fd)
}

// entry is struct io_uring_sqe of <linux/io_uring.h>.
type entry struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	off, addr     uint64
	len, rwFlags  uint32
	userData      uint64
	_             [3]uint64
}

// event is struct io_uring_cqe.
type event struct {
	userData uint64
	res      int32
	flags    uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFd uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

const (
	featSingleMmap = 1 << 0 // since Linux 5.4
	enterGetEvents = 1 << 0
	offRings       = 0
	offSQEs        = 0x10000000
	opRead         = 22 // since Linux 5.6
	rwfNowait      = 8  // without it a read would stay behind and take a packet later
)

// NewRing returns a Ring for up to n reads at a time, a power of two. The error
// says why there is none: a kernel without io_uring, or one that forbids it.
func NewRing(n int) (*Ring, error) {
	var p ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(n), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("poll: io_uring: %w", errno)
	}
	r := &Ring{shared: shared{fd: int(fd)}}
	unix.CloseOnExec(r.fd)
	if p.features&featSingleMmap == 0 {
		r.release()
		return nil, errors.New("poll: io_uring: the kernel is older than Linux 5.4")
	}
	if err := r.share(&p); err != nil {
		r.release()
		return nil, fmt.Errorf("poll: io_uring: %w", err)
	}
	r.cleanup = runtime.AddCleanup(r, func(s shared) { s.release() }, r.shared)
	return r, nil
}

// share maps what the kernel made.
func (r *Ring) share(p *ringParams) (err error) {
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(int(p.sq.array)+int(p.sqEntries)*4, int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(event{})))
	if r.rings, err = unix.Mmap(r.fd, offRings, size, prot, flags); err != nil {
		return err
	}
	if r.sqes, err = unix.Mmap(r.fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(entry{})), prot, flags); err != nil {
		return err
	}
	r.tail = r.word(p.sq.tail)
	r.doneHead, r.doneTo = r.word(p.cq.head), r.word(p.cq.tail)
	r.events = unsafe.Slice((*event)(unsafe.Pointer(&r.rings[p.cq.cqes])), p.cqEntries)
	r.entries = unsafe.Slice((*entry)(unsafe.Pointer(&r.sqes[0])), p.sqEntries)
	array := unsafe.Slice(r.word(p.sq.array), p.sqEntries)
	for i := range array {
		array[i] = uint32(i) // each place has its own entry
	}
	return nil
}

func (r *Ring) word(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[off])) }

// Close gives the ring back. Nothing else may be called afterwards.
func (r *Ring) Close() {
	r.cleanup.Stop()
	r.release()
}

// Read fills each of bufs by a read of fd, in order, and sets sizes to what each
// got, or to the negative of its errno, as syscalls return it: -EAGAIN where there
// was nothing to read. Any error is about the ring itself. bufs must not be longer
// than the ring, and lie on the heap, where memory does not move.
func (r *Ring) Read(fd uintptr, bufs [][]byte, sizes []int) error {
	for i, b := range bufs {
		r.entries[(r.made+uint32(i))&uint32(len(r.entries)-1)] = entry{
			opcode: opRead, fd: int32(fd), off: ^uint64(0), addr: uint64(uintptr(unsafe.Pointer(&b[0]))), len: uint32(len(b)),
			rwFlags: rwfNowait, userData: uint64(i),
		}
	}
	r.made += uint32(len(bufs))
	atomic.StoreUint32(r.tail, r.made)
	if err := r.enter(len(bufs)); err != nil {
		return err
	}
	for range bufs {
		head := atomic.LoadUint32(r.doneHead)
		if head == atomic.LoadUint32(r.doneTo) {
			return errors.New("poll: io_uring: a read is missing")
		}
		e := r.events[head&uint32(len(r.events)-1)]
		sizes[e.userData] = int(e.res)
		atomic.StoreUint32(r.doneHead, head+1)
	}
	return nil
}

// enter has the kernel do n reads.
func (r *Ring) enter(n int) error {
	for submit := n; ; submit = 0 {
		_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(submit), uintptr(n), enterGetEvents, 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("poll: io_uring: %w", errno)
		}
	}
}
