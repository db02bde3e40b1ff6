package underlay

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"warren/packet"
)

// Sockets is the Underlay of the Linux kernel.
type Sockets struct {
	info    Info
	all     []*socket
	readers []Reader

	// pick finds the socket for a packet by its role and family.
	pick [roleESP + 1][2]*socket

	probes [2]*probe // by family

	closed    atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

var _ Underlay = (*Sockets)(nil)

// Open opens the sockets. Listening on all addresses means both families, IPv6
// where the machine has it. The error is one line with the way out.
func Open(o Options) (*Sockets, error) {
	o.IKE, o.NATT = cmp.Or(o.IKE, 500), cmp.Or(o.NATT, 4500)
	o.Buffer = cmp.Or(o.Buffer, 4<<20)
	if o.IKE == o.NATT {
		return nil, fmt.Errorf("underlay: listen.ike and listen.nat_t are both port %d: they must differ", o.IKE)
	}
	s := &Sockets{info: Info{Addr: o.Addr, IKE: o.IKE, NATT: o.NATT, RawESP: !o.NoESP, GRO: true}}
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
	for _, sock := range s.all {
		s.readers = append(s.readers, newReader(sock))
		s.info.IPv6 = s.info.IPv6 || sock.v6
		s.info.GRO = s.info.GRO && (sock.gro || sock.role == roleESP)
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
		sp.addr, sp.mark, sp.buf = addr, o.Mark, o.Buffer
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
		s.pick[sock.role][family(sock.v6)] = sock
	}
	s.all = append(s.all, opened...)
	return nil
}

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// Readers is Underlay's.
func (s *Sockets) Readers() []Reader { return s.readers }

// Info is Underlay's.
func (s *Sockets) Info() Info { return s.info }

// WriteBatch is Underlay's.
func (s *Sockets) WriteBatch(b packet.Batch) (sent int, err error) {
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	for len(b) > 0 {
		sock := s.route(b[0])
		n := 1
		for n < len(b) && sock != nil && s.route(b[n]) == sock {
			n++
		}
		run := b[:n]
		b = b[n:]
		if sock == nil {
			continue
		}
		got, err := sock.write(run)
		sent += got
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// route finds the socket that a packet leaves by, nil for a packet that was
// refused before or is now.
func (s *Sockets) route(p *packet.Packet) *socket {
	if p.Drop != packet.Live {
		return nil
	}
	sock := s.pick[s.roleOf(p)][family(p.Remote.Addr().Is6())]
	if sock == nil || !p.Remote.IsValid() || p.Headroom() < markerLen {
		p.Drop = packet.SendError
		return nil
	}
	return sock
}

func (s *Sockets) roleOf(p *packet.Packet) role {
	switch {
	case p.Kind == packet.KindESP:
		return roleESP
	case p.Kind == packet.KindESPinUDP || p.Local.Port() == s.info.NATT:
		return roleNATT
	}
	return roleIKE
}

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
