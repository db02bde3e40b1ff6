package underlay

import (
	"encoding/binary"

	"warren/packet"
)

const (
	markerLen = 4    // the non-ESP marker: four zero bytes
	keepalive = 0xff // the one byte of a NAT keepalive
)

// classify tells what arrived at a socket. On the NAT-T port that is decided by
// the first bytes (RFC 3948, Section 2): SPI 0 is the non-ESP marker.
func classify(p *packet.Packet, r role) {
	switch r {
	case roleIKE:
		p.Kind = packet.KindIKE
		return
	case roleESP:
		p.Kind = packet.KindESP
		return
	}
	p.Kind, p.Drop = Demux(p.Bytes())
	if p.Kind == packet.KindIKE {
		p.TrimFront(markerLen)
	}
}

// Demux tells what the payload b of a datagram on the NAT-T port is. KindIKE
// means that b starts with the marker.
func Demux(b []byte) (packet.Kind, packet.Drop) {
	switch {
	case len(b) == 1 && b[0] == keepalive:
		return packet.KindESPinUDP, packet.Keepalive
	case len(b) < markerLen:
		return packet.KindESPinUDP, packet.Runt
	case binary.BigEndian.Uint32(b) == 0:
		return packet.KindIKE, packet.Live
	}
	return packet.KindESPinUDP, packet.Live
}

// A role is what a socket is for.
type role uint8

const (
	roleIKE  role = iota // UDP, IKE without marker
	roleNATT             // UDP, ESP and IKE with marker
	roleESP              // raw, IP protocol 50
)
