package blast

import (
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	bufferSize = 16 << 20              // of sockets, in bytes
	nap        = 50 * time.Microsecond // of a sender with nothing due
	maxPayload = 65000                 // of one message with UDP_SEGMENT
	maxSegs    = 64                    // UDP_MAX_SEGMENTS of older kernels
)

// A Load is what a Sender offers.
type Load struct {
	Rate float64       // packets a second; zero is as many as the sender can
	Size int           // bytes of UDP payload, MinSize at least
	For  time.Duration // how long
	Run  uint32        // its number, which no run shortly before has had

	// Segments is how many packets the kernel gets as one, with UDP_SEGMENT.
	// Zero or one sends each packet as a message of its own, as most programs do.
	Segments int
}

// Offered is what became of a Load on the sending side.
type Offered struct {
	Packets int
	Refused int // by the sending host's own kernel
	Took    time.Duration
}

// Rate is packets a second.
func (o Offered) Rate() float64 { return float64(o.Packets) / o.Took.Seconds() }

// A Sender is a UDP socket. It belongs to one goroutine.
type Sender struct{ fd int }

// Dial makes a sender in the network namespace of the calling thread.
func Dial(to netip.AddrPort) (*Sender, error) {
	fd, err := socket(to)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("blast: connect to %v: %w", to, err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bufferSize) // needs root, and matters little
	return &Sender{fd}, nil
}

// Close frees the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }

// Run offers the load and returns when its time is over.
func (s *Sender) Run(l Load) (Offered, error) {
	segs := min(max(l.Segments, 1), maxSegs, max(maxPayload/max(l.Size, 1), 1))
	if l.Size < MinSize || l.Size > maxPayload {
		return Offered{}, fmt.Errorf("blast: size is %d, want %d to %d", l.Size, MinSize, maxPayload)
	}
	gso := 0
	if segs > 1 {
		gso = l.Size
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_SEGMENT, gso); err != nil && segs > 1 {
		return Offered{}, fmt.Errorf("blast: UDP_SEGMENT: %w", err)
	}
	buf := make([]byte, segs*l.Size)
	fill(buf, l.Run, l.Size)
	m := newMessages(maxBatch)
	for i := range maxBatch {
		m.set(i, buf)
	}
	runtime.LockOSThread() // naps are the thread's: no other one is to be woken
	defer runtime.UnlockOSThread()
	return s.pace(m, l, segs, func(int) {})
}

// pace sends what is due of a load, once prepare has made so many messages.
func (s *Sender) pace(m *messages, l Load, segs int, prepare func(n int)) (Offered, error) {
	p := pacer{rate: l.Rate / float64(segs)}
	var o Offered
	start := time.Now()
	for {
		o.Took = time.Since(start)
		if o.Took >= l.For {
			return o, nil
		}
		due := min(p.due(o.Took), maxBatch)
		if due == 0 {
			sleep(nap)
			continue
		}
		prepare(due)
		n, errno := m.send(s.fd, due)
		p.sent += n
		o.Packets += n * segs
		switch errno {
		case 0:
		case unix.ENOBUFS, unix.EAGAIN, unix.ECONNREFUSED, unix.EINTR:
			o.Refused += segs
			sleep(nap)
		default:
			return o, fmt.Errorf("blast: sendmmsg: %w", errno)
		}
	}
}

func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&ts, nil) // woken early is as good
}

func socket(a netip.AddrPort) (int, error) {
	family := unix.AF_INET
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("blast: socket: %w", err)
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}
