package packet

// MaxSegments is the most packets that Coalescer and the kernel make one
// super-packet of (UDP_MAX_SEGMENTS).
const MaxSegments = 64

const (
	udpSumOff = 6
	tcpSumOff = 16

	tcpSeqOff   = 4
	tcpFlagsOff = 13

	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpCWR = 0x80
)

// A shape is where the parts of a TCP or UDP packet are.
type shape struct {
	ipHeader
	front int // all headers: what a super-packet has once
}

// sumOff is where the checksum is in the TCP or UDP header.
func (s *shape) sumOff() int {
	if s.proto == ProtoUDP {
		return udpSumOff
	}
	return tcpSumOff
}

// shapeOf finds the parts of the packet at the front of b, which must fill b. It
// reports false for fragments and for what is neither TCP nor UDP.
func shapeOf(b []byte) (s shape, ok bool) {
	h, d := parseIP(b)
	if d != Live || h.fragment || h.totalLen != len(b) {
		return s, false
	}
	s = shape{h, h.headerLen}
	l4 := b[h.headerLen:]
	switch h.proto {
	case ProtoUDP:
		s.front += UDPHeaderLen
	case ProtoTCP:
		if len(l4) < tcpHeaderLen {
			return s, false
		}
		n := int(l4[12]>>4) * 4
		if n < tcpHeaderLen {
			return s, false
		}
		s.front += n
	default:
		return s, false
	}
	return s, s.front <= len(b)
}

// setLengths writes the length of the packet into its headers, of which ip has
// all, and id into an IPv4 header.
func (s *shape) setLengths(ip []byte, total int, id uint16) {
	if s.src.Is4() {
		putBE16(ip[2:], uint16(total))
		putBE16(ip[4:], id)
		putBE16(ip[10:], 0)
		putBE16(ip[10:], Checksum(ip[:s.headerLen], 0))
	} else {
		putBE16(ip[4:], uint16(total-IPv6HeaderLen))
	}
	if s.proto == ProtoUDP {
		putBE16(ip[s.headerLen+4:], uint16(total-s.headerLen))
	}
}

// id is the identification of an IPv4 packet.
func (s *shape) id(ip []byte) uint16 {
	if s.src.Is4() {
		return be16(ip[4:])
	}
	return 0
}

// setChecksum fills in the checksum of TCP or UDP.
func (s *shape) setChecksum(ip []byte) {
	l4 := ip[s.headerLen:]
	field := l4[s.sumOff():]
	putBE16(field, 0)
	sum := Checksum(l4, pseudoSum(s.ipHeader, len(l4)))
	if sum == 0 && s.proto == ProtoUDP {
		sum = 0xffff // zero would mean none (RFC 768)
	}
	putBE16(field, sum)
}

// setPartial writes the sum of the pseudo-header alone: the kernel adds the rest,
// packet by packet, where it is asked to.
func (s *shape) setPartial(ip []byte, total int) {
	sum := fold(uint64(pseudoSum(s.ipHeader, total-s.headerLen)))
	putBE16(ip[s.headerLen+s.sumOff():], sum)
}

// verified reports whether the checksums of IPv4 and of TCP or UDP are right.
// Over IPv4 UDP may have none.
func (s *shape) verified(ip []byte) bool {
	if s.src.Is4() && Checksum(ip[:s.headerLen], 0) != 0 {
		return false
	}
	l4 := ip[s.headerLen:]
	if s.proto == ProtoUDP && be16(l4[udpSumOff:]) == 0 {
		return s.src.Is4()
	}
	return Checksum(l4, pseudoSum(s.ipHeader, len(l4))) == 0
}
