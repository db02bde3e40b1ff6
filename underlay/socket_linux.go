package underlay

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/poll"
)

// A socket is one socket of the underlay. Its reader belongs to one goroutine;
// its writer takes the lock.
type socket struct {
	spec
	v6  bool
	gro bool

	file *poll.File // owned: closing it ends a blocked read

	sendMu sync.Mutex
	sender sender
	gso    atomic.Bool
	failed atomic.Int32 // the errno that ended gso
}

// spec is what openSocket opens.
type spec struct {
	role role
	addr netip.Addr // its family is the socket's; unspecified: all of it
	port uint16     // zero for roleESP
	mark uint32
	buf  int

	shared bool // with other sockets on the same port

	noGSO, noGRO bool
}

func openSocket(s spec) (*socket, error) {
	family, typ, proto := unix.AF_INET, unix.SOCK_DGRAM, 0
	if s.addr.Is6() {
		family = unix.AF_INET6
	}
	if s.role == roleESP {
		typ, proto = unix.SOCK_RAW, packet.ProtoESP
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return nil, s.explain("open", err)
	}
	sock := &socket{spec: s, v6: s.addr.Is6()}
	if err := sock.setup(fd, s); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if sock.file, err = poll.NewFile(os.NewFile(uintptr(fd), s.String())); err != nil {
		return nil, s.explain("poll", err)
	}
	sock.sender.init()
	return sock, nil
}

// setup sets the options of a fresh socket and binds it.
func (sock *socket) setup(fd int, s spec) error {
	level, opts := unix.IPPROTO_IP, options4()
	if sock.v6 {
		level, opts = unix.IPPROTO_IPV6, options6()
	}
	if s.role != roleESP && sock.v6 { // a raw socket is of one family anyway, and refuses the option
		opts = append(opts, option{unix.IPV6_V6ONLY, 1})
	}
	for _, o := range opts {
		if err := unix.SetsockoptInt(fd, level, o.name, o.value); err != nil {
			return s.explain("set options of", err)
		}
	}
	if s.mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(s.mark)); err != nil {
			return s.explain("mark", err)
		}
	}
	setBuffers(fd, s.buf)
	if s.shared {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return s.explain("share", err)
		}
	}
	if s.role != roleESP {
		sock.gro = !s.noGRO && unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
		_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		sock.gso.Store(!s.noGSO && err == nil)
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(s.addr, s.port))); err != nil {
		return s.explain("bind", err)
	}
	return nil
}

// share lets further sockets bind to the port of one that is bound. Only now: until
// here another program on the port was to be an error.
func (sock *socket) share() (err error) {
	closed := sock.file.Call(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(closed, err)
}

type option struct{ name, value int }

// The path MTU discovery options set DF and make the kernel refuse what is too
// big for the path (RFC 4301, Section 8).
func options4() []option {
	return []option{
		{unix.IP_PKTINFO, 1}, {unix.IP_RECVTOS, 1}, {unix.IP_TTL, 64},
		{unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO},
	}
}

func options6() []option {
	return []option{
		{unix.IPV6_RECVPKTINFO, 1}, {unix.IPV6_RECVTCLASS, 1}, {unix.IPV6_UNICAST_HOPS, 64},
		{unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO},
	}
}

// setBuffers asks for size bytes each way, past the system's limit where the
// process may; what the kernel gives instead is good enough.
func setBuffers(fd, size int) {
	for _, o := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[0], size) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[1], size)
		}
	}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// String names the socket for messages.
func (s spec) String() string {
	if s.role == roleESP {
		return fmt.Sprintf("ESP socket (IP protocol 50) on %v", s.addr)
	}
	return fmt.Sprintf("UDP port %d on %v", s.port, s.addr)
}
