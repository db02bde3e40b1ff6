package blast

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	receiveBatch = 32
	receiveSize  = 65535
	gather       = 200 * time.Microsecond // between two looks, so that each finds many
	waitMillis   = 50                     // for a first packet, or for Close
)

// A Receiver counts the packets of one run at a time.
type Receiver struct {
	fd   int
	addr netip.AddrPort
	size int // of every packet, whatever it holds; zero: packets have headers

	// run is the current run in the upper half and its packets in the lower one,
	// so that both change together.
	state  atomic.Uint64
	closed atomic.Bool
	wg     sync.WaitGroup
}

// Listen makes a receiver in the network namespace of the calling thread and
// starts to count. Port 0 asks for any.
func Listen(at netip.AddrPort) (*Receiver, error) { return ListenAny(at, 0) }

// ListenAny is Listen for packets that nobody here has made: whatever comes counts,
// as one packet for so many bytes.
func ListenAny(at netip.AddrPort, size int) (*Receiver, error) {
	fd, err := socket(at)
	if err != nil {
		return nil, err
	}
	r := &Receiver{fd: fd, size: size}
	if err := r.bind(at); err != nil {
		unix.Close(fd)
		return nil, err
	}
	r.wg.Go(r.loop)
	return r, nil
}

func (r *Receiver) bind(at netip.AddrPort) error {
	_ = unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferSize) // without root it stays small
	_ = unix.SetsockoptInt(r.fd, unix.SOL_UDP, unix.UDP_GRO, 1)                    // before Linux 5.0 there is none
	if err := unix.Bind(r.fd, sockaddr(at)); err != nil {
		return fmt.Errorf("blast: bind to %v: %w", at, err)
	}
	sa, err := unix.Getsockname(r.fd)
	if err != nil {
		return fmt.Errorf("blast: getsockname: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		r.addr = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		r.addr = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return nil
}

// Addr is where the receiver listens.
func (r *Receiver) Addr() netip.AddrPort { return r.addr }

// Begin forgets what was counted and counts run from now on.
func (r *Receiver) Begin(run uint32) { r.state.Store(uint64(run) << 32) }

// Count is how many packets of the current run have come.
func (r *Receiver) Count() int { return int(uint32(r.state.Load())) }

// Close ends the counting and frees the socket.
func (r *Receiver) Close() error {
	r.closed.Store(true)
	r.wg.Wait()
	return unix.Close(r.fd)
}

func (r *Receiver) loop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	bufs := make([]byte, receiveBatch*receiveSize)
	m := newMessages(receiveBatch)
	for i := range receiveBatch {
		m.set(i, bufs[i*receiveSize:][:receiveSize])
	}
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	for !r.closed.Load() {
		n, _ := m.receive(r.fd) // an error is an ICMP message, or nothing there
		if n > 0 {
			r.add(m, bufs, n)
		} else {
			_, _ = unix.Poll(fds, waitMillis)
		}
		if n < receiveBatch {
			sleep(gather)
		}
	}
}

func (r *Receiver) add(m *messages, bufs []byte, n int) {
	state := r.state.Load()
	sum := 0
	for i := range n {
		b := bufs[i*receiveSize:][:m.hdrs[i].len]
		if r.size > 0 {
			sum += len(b) / r.size
		} else {
			sum += count(b, uint32(state>>32))
		}
	}
	r.state.CompareAndSwap(state, state+uint64(sum)) // fails only where the run has changed
}
