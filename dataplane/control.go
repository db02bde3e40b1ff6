package dataplane

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"warren/nest"
	"warren/packet"
)

// A controlSender sends what does not come from the TUN right now: IKE messages
// and held packets. It is an egress of its own, under a lock.
type controlSender struct {
	mu     sync.Mutex
	egress *egress
	one    packet.Batch
	id     uint16 // of the next inner IPv4 packet: fragments need one (RFC 6864)
	counts *counts
}

func newControlSender(d *Dataplane) *controlSender {
	e := newEgress(d, 0, ways)
	return &controlSender{egress: e, one: packet.NewBatch(1, packet.MaxPacket), counts: &e.counts}
}

// markerLen is the length of the non-ESP marker (RFC 3948, Section 2.2).
const markerLen = 4

// SendIKE sends an IKE message: through the tunnels of via, or on the network
// where via is nil. natt asks for port-4500 framing. The message is copied.
func (d *Dataplane) SendIKE(via *nest.Bundle, local, remote netip.AddrPort, natt bool, msg []byte) error {
	s := d.control
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.in.Add(1)
	p := s.one[0]
	p.Set(msg)
	p.Ends = &packet.Ends{Local: local, Remote: remote}
	var err error
	if via == nil {
		d.addressIKE(p, natt)
		err = d.transmit(s.egress.net, s.one, s.counts)
	} else {
		err = s.sealIKE(via, p, natt)
	}
	switch {
	case errors.Is(err, net.ErrClosed):
		return fmt.Errorf("dataplane: send ike to %v: %w", remote, err)
	case err != nil:
		return err
	case p.Drop != packet.Live:
		return fmt.Errorf("dataplane: send ike to %v: %v", remote, p.Drop)
	}
	return nil
}

// Keepalive sends a NAT keepalive, one byte 0xff (RFC 3948, Section 2.3), between
// the ports that ESP in UDP uses: through the tunnels of via, or on the network
// where via is nil. When one is due is the caller's to know: only the side behind
// a NAT sends them, and only after nothing else was sent for KeepaliveAfter. They
// prove nothing about the peer.
func (d *Dataplane) Keepalive(via *nest.Bundle, local, remote netip.AddrPort) error {
	s := d.control
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.in.Add(1)
	p := s.one[0]
	p.Set([]byte{0xff})
	p.Kind, p.Ends = packet.KindESPinUDP, &packet.Ends{Local: local, Remote: remote}
	var err error
	if via == nil {
		err = d.transmit(s.egress.net, s.one, s.counts)
	} else {
		err = s.sealIKE(via, p, false) // like a message, and without marker
	}
	if err == nil && p.Drop != packet.Live {
		err = fmt.Errorf("dataplane: send keepalive to %v: %v", remote, p.Drop)
	}
	return err
}

// KeepaliveAfter is the default interval of RFC 3948, Section 4.
const KeepaliveAfter = 20 * time.Second

// addressIKE chooses the socket by the framing.
func (d *Dataplane) addressIKE(p *packet.Packet, natt bool) {
	port := d.ports.IKE
	if natt {
		port = d.ports.NATT
	}
	p.Kind = packet.KindIKE
	p.Ends.Local = netip.AddrPortFrom(p.Ends.Local.Addr(), port) // they are SendIKE's own
}

// sealIKE makes an inner packet of the message and sends it through via.
func (s *controlSender) sealIKE(via *nest.Bundle, p *packet.Packet, natt bool) error {
	e := s.egress
	if p.Drop == packet.Live && !wrapIKE(p, natt) {
		p.Drop = packet.Malformed
	}
	if p.Drop == packet.Live {
		packet.SetID(p.Bytes(), s.id)
		s.id++
		p.Parse()
	}
	if p.Drop != packet.Live {
		s.counts.drop(p.Drop)
		return nil
	}
	e.run.bundle = via
	switch {
	case p.Len() <= int(via.MTU):
		e.out = append(e.out, p)
	case e.cut(p, via):
	default: // nobody on the TUN is to be told
		p.Drop = packet.TooBig
		s.counts.drop(p.Drop)
	}
	return e.flush()
}

// wrapIKE puts UDP and IP headers before the message. DF is not set: the message
// may be larger than the tunnel takes, and IKE has no other way to cut it.
func wrapIKE(p *packet.Packet, natt bool) bool {
	local, remote := p.Local(), p.Remote()
	if local.Addr().Is4() != remote.Addr().Is4() || !local.IsValid() || !remote.IsValid() {
		return false
	}
	if natt {
		clear(p.Prepend(markerLen))
	}
	packet.PutUDP(p.Prepend(packet.UDPHeaderLen), local.Port(), remote.Port(), p.Len())
	h := packet.IPHeader{Src: local.Addr(), Dst: remote.Addr(), Proto: packet.ProtoUDP, TTL: 64}
	n := packet.IPv4HeaderLen
	if h.Src.Is6() {
		n = packet.IPv6HeaderLen
	}
	front := p.Prepend(n)
	h.Len = p.Len()
	packet.PutIP(front, h)
	return packet.SetUDPChecksum(p.Bytes())
}

// Release sends the packets held under key, in the order in which they came, by
// the newest view: call it after Publish. Packets whose chain is still not up
// are held on.
func (d *Dataplane) Release(key nest.Key) {
	d.release(d.hold.take(key, time.Now()), func(e *egress, v *published, p *packet.Packet) {
		e.dispatch(p, e.decide(v, p), time.Now())
	})
}

// Refuse answers the packets held under key with ICMP unreachable.
func (d *Dataplane) Refuse(key nest.Key) {
	d.release(d.hold.take(key, time.Now()), func(e *egress, _ *published, p *packet.Packet) {
		e.answers.unreachable(p.Bytes(), p.Flow.Dst)
		e.counts.drop(packet.Unreachable)
	})
}

// release does something with packets that were held.
func (d *Dataplane) release(list []heldPacket, do func(*egress, *published, *packet.Packet)) {
	s := d.control
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(list) > 0 {
		v := d.view.Load()
		n := min(len(list), d.opt.Limits.Batch)
		for _, h := range list[:n] {
			p := packet.New(len(h.data))
			p.Set(h.data)
			p.Parse()
			do(s.egress, v, p)
		}
		list = list[n:]
		_ = s.egress.flush() // closed: counted as shutdown
	}
}
