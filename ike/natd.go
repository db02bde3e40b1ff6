package ike

import (
	"bytes"
	"cmp"
	"net/netip"

	"warren/ike/crypt"
	"warren/ike/message"
	"warren/packet"
)

const defaultNATT = 4500

// natNotifies are the NAT detection payloads for a message from local to remote
// (RFC 7296, Section 2.23). A feigned source matches nothing, so that the peer
// believes in a NAT.
func (e *Engine) natNotifies(spii, spir message.SPI, p Path, feign bool) ([]message.Payload, error) {
	src := crypt.NATHash(spii, spir, p.Local)
	if feign {
		var err error
		if src, err = e.random(len(src)); err != nil {
			return nil, err
		}
	}
	return []message.Payload{
		&message.Notify{Kind: message.NATDetectionSourceIP, Data: src},
		&message.Notify{Kind: message.NATDetectionDestinationIP, Data: crypt.NATHash(spii, spir, p.Remote)},
	}, nil
}

// A natView is what NAT detection found.
type natView struct {
	known      bool // the peer knows NAT traversal
	peer, here bool // who is behind a NAT
}

// detectNAT compares the peer's hashes with the addresses seen here. The peer
// may send several source hashes; one match is enough.
func detectNAT(ps []message.Payload, spii, spir message.SPI, p Path) natView {
	var v natView
	var sources, dests, srcMatch, dstMatch int
	want := crypt.NATHash(spii, spir, p.Remote)
	here := crypt.NATHash(spii, spir, p.Local)
	for _, pl := range ps {
		n, ok := pl.(*message.Notify)
		if !ok {
			continue
		}
		switch n.Kind {
		case message.NATDetectionSourceIP:
			sources++
			srcMatch += btoi(bytes.Equal(n.Data, want))
		case message.NATDetectionDestinationIP:
			dests++
			dstMatch += btoi(bytes.Equal(n.Data, here))
		}
	}
	v.known = sources > 0 && dests > 0
	v.peer = v.known && srcMatch == 0
	v.here = v.known && dstMatch == 0
	return v
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// float moves a candidate of an initiator to the NAT traversal ports (RFC 7296,
// Section 2.23).
func (c *candidate) float(p *PeerConfig) {
	c.natt = true
	c.path.Local = netip.AddrPortFrom(c.path.Local.Addr(), cmp.Or(p.LocalNATT, defaultNATT))
	c.path.Remote = netip.AddrPortFrom(c.path.Remote.Addr(), cmp.Or(p.RemoteNATT, defaultNATT))
}

// follow moves the path of s to where an authentic request came from: as
// responder before IKE_AUTH is over always, since the initiator may change
// ports, and later only if the peer is behind a NAT and does not say itself
// where it is (RFC 4555, Section 3.8).
func (e *Engine) follow(s *session, d Datagram) {
	if d.Path == s.path && d.NATT == s.natt {
		return
	}
	if s.initiator && !s.peerNAT || s.state != sessionHalfOpen && (!s.peerNAT || s.mob.on) {
		return
	}
	s.path, s.natt = d.Path, d.NATT
	if s.state == sessionUp {
		e.emit(PathChanged{ID: s.id, Path: s.path, NATT: s.natt, Encap: s.encap})
	}
}

// encapFor is how ESP goes when a NAT was found or not.
func encapFor(nat bool) packet.Encap {
	if nat {
		return packet.EncapUDP
	}
	return packet.EncapNone
}
