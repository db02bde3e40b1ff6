package blast

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Source makes datagrams of a load that differ from each other.
type Source interface {
	// Fill makes the next ones of a run, one for each of b. Their bytes stay as
	// they are until the next call.
	Fill(b []Message, run uint32)
}

// A Message is one datagram, of IPv4.
type Message struct {
	Data []byte
	From netip.Addr // an address of this host; invalid: the kernel's choice
	To   netip.AddrPort
}

// Payload writes what a Receiver counts as one packet of a run.
func Payload(b []byte, run uint32) { fill(b, run, len(b)) }

// Bind makes a sender with its own address and no fixed receiver, for Sources.
func Bind(at netip.AddrPort) (*Sender, error) {
	fd, err := socket(at)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, sockaddr(at)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("blast: bind to %v: %w", at, err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, bufferSize) // needs root, and matters little
	return &Sender{fd}, nil
}

// RunSource is Run with datagrams that src makes: the load's size is theirs.
func (s *Sender) RunSource(l Load, src Source) (Offered, error) {
	m, list := newMessages(maxBatch), make([]Message, maxBatch)
	addrs := newAddresses(m)
	runtime.LockOSThread() // naps are the thread's: no other one is to be woken
	defer runtime.UnlockOSThread()
	return s.pace(m, l, 1, func(n int) {
		src.Fill(list[:n], l.Run)
		for i := range list[:n] {
			m.set(i, list[i].Data)
			addrs.set(m, i, &list[i])
		}
	})
}

// addresses are those of messages, as the kernel wants them.
type addresses struct {
	to   []unix.RawSockaddrInet4
	from [][fromLen]byte // control messages
}

const fromLen = 32 // a control message with an Inet4Pktinfo, and padding

func newAddresses(m *messages) *addresses {
	a := &addresses{make([]unix.RawSockaddrInet4, len(m.hdrs)), make([][fromLen]byte, len(m.hdrs))}
	for i := range m.hdrs {
		a.to[i].Family = unix.AF_INET
		h := (*unix.Cmsghdr)(unsafe.Pointer(&a.from[i]))
		h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	}
	return a
}

func (a *addresses) set(m *messages, i int, msg *Message) {
	h, to := &m.hdrs[i].hdr, &a.to[i]
	to.Addr = msg.To.Addr().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&to.Port))[:], msg.To.Port())
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(to)), unix.SizeofSockaddrInet4
	h.Control, h.Controllen = nil, 0
	if msg.From.IsValid() {
		info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&a.from[i][unix.CmsgLen(0)]))
		info.Spec_dst = msg.From.As4()
		h.Control = &a.from[i][0]
		h.SetControllen(unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	}
}

// TrySource is Try with datagrams that src makes.
func TrySource(s *Sender, r *Receiver, l Load, src Source) (Trial, error) {
	return try(r, l, func() (Offered, error) { return s.RunSource(l, src) })
}
