package underlay

import (
	"net"

	"warren/packet"
)

// A queue is the sockets of one worker. It sends by the first queue's where it has
// none of its own.
type queue struct {
	sockets *Sockets
	readers []Reader

	// pick finds the socket for a packet by its role and family.
	pick [roleESP + 1][2]*socket
}

// openQueues makes the queues after the first. They share its NAT-T ports, where
// nearly all packets are; what else there is stays with the first.
func (s *Sockets) openQueues(o Options) {
	for len(s.queues) < o.Queues {
		q := &queue{sockets: s, pick: s.queue.pick}
		for _, first := range s.queue.pick[roleNATT] {
			if first == nil {
				continue
			}
			if first.share() != nil {
				return
			}
			sp := first.spec
			sp.shared = true
			sock, err := openSocket(sp)
			if err != nil {
				return // fewer workers do as well
			}
			q.add(sock)
		}
		s.queues = append(s.queues, q)
	}
}

// add adds a socket, which is closed with the others.
func (q *queue) add(sock *socket) {
	q.pick[sock.role][family(sock.v6)] = sock
	q.readers = append(q.readers, newReader(sock))
	q.sockets.all = append(q.sockets.all, sock)
}

// Readers is Queue's.
func (q *queue) Readers() []Reader { return q.readers }

// WriteBatch is Queue's.
func (q *queue) WriteBatch(b packet.Batch) (sent int, err error) {
	if q.sockets.closed.Load() {
		return 0, net.ErrClosed
	}
	for len(b) > 0 {
		sock := q.route(b[0])
		n := 1
		for n < len(b) && sock != nil && q.route(b[n]) == sock {
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
func (q *queue) route(p *packet.Packet) *socket {
	if p.Drop != packet.Live {
		return nil
	}
	remote := p.Remote()
	sock := q.pick[q.sockets.roleOf(p)][family(remote.Addr().Is6())]
	if sock == nil || !remote.IsValid() || p.Kind == packet.KindIKE && p.Headroom() < markerLen {
		p.Drop = packet.SendError
		return nil
	}
	return sock
}

func (s *Sockets) roleOf(p *packet.Packet) role {
	switch {
	case p.Kind == packet.KindESP:
		return roleESP
	case p.Kind == packet.KindESPinUDP || p.Local().Port() == s.info.NATT:
		return roleNATT
	}
	return roleIKE
}
