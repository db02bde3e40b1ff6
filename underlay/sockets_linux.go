package underlay

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Sockets is the Underlay of the Linux kernel.
type Sockets struct {
	*queue // the first
	opt    Options
	info   Info // what does not change of it
	all    []*socket
	queues []Queue

	probes [2]*probe // by family

	closed    atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

var _ Underlay = (*Sockets)(nil)

// defaultBuffer is a millisecond of 10 Gbit/s, and of what a worker is kept waiting
// for a processor. It is also what a packet may have to wait behind: with four times
// as much, TCP is hardly faster, and round trips under load take twice as long.
const defaultBuffer = 1 << 20

// Open opens the sockets. Listening on all addresses means both families, IPv6
// where the machine has it. The error is one line with the way out.
func Open(o Options) (*Sockets, error) {
	o.IKE, o.NATT = cmp.Or(o.IKE, 500), cmp.Or(o.NATT, 4500)
	o.Buffer = cmp.Or(o.Buffer, defaultBuffer)
	if o.IKE == o.NATT {
		return nil, fmt.Errorf("underlay: listen.ike and listen.nat_t are both port %d: they must differ", o.IKE)
	}
	s := &Sockets{queue: new(queue), opt: o, info: Info{Addr: o.Addr, IKE: o.IKE, NATT: o.NATT, RawESP: !o.NoESP}}
	s.queue.sockets = s
	s.queues = []Queue{s.queue}
	for _, addr := range addresses(o.Addr) {
		err := s.open(o, addr)
		if err != nil && addr == netip.IPv6Unspecified() && s.info.Addr != addr && noIPv6(err) {
			break
		}
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	s.openQueues(o)
	s.info.Queues = len(s.queues)
	for _, sock := range s.all {
		s.info.IPv6 = s.info.IPv6 || sock.v6
	}
	return s, nil
}

// addresses returns what to bind to for the configured address.
func addresses(a netip.Addr) []netip.Addr {
	a = a.Unmap()
	if !a.IsValid() || a == netip.IPv4Unspecified() {
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	return []netip.Addr{a}
}

// open opens the sockets of one address: all of them or none.
func (s *Sockets) open(o Options, addr netip.Addr) error {
	var opened []*socket
	for _, sp := range []spec{{role: roleIKE, port: o.IKE}, {role: roleNATT, port: o.NATT}, {role: roleESP}} {
		if sp.role == roleESP && o.NoESP {
			continue
		}
		sp.addr, sp.mark, sp.buf, sp.noGSO, sp.noGRO = addr, o.Mark, o.Buffer, o.NoGSO, o.NoGRO
		sock, err := openSocket(sp)
		if err != nil {
			for _, sock := range opened {
				sock.file.Close()
			}
			return err
		}
		opened = append(opened, sock)
	}
	s.probes[family(addr.Is6())] = newProbe(addr.Is6(), o.Mark)
	for _, sock := range opened {
		s.queue.add(sock)
	}
	return nil
}

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// Queues is Underlay's.
func (s *Sockets) Queues() []Queue { return s.queues }

// Close is Underlay's.
func (s *Sockets) Close() error {
	s.closeOnce.Do(func() {
		s.closed.Store(true)
		for _, sock := range s.all {
			s.closeErr = errors.Join(s.closeErr, sock.file.Close())
		}
		for _, p := range s.probes {
			p.close()
		}
	})
	return s.closeErr
}
