package packet

// MaxSegments is the most packets that Coalescer and the kernel make one
// super-packet of (UDP_MAX_SEGMENTS).
const MaxSegments = 64

const (
	udpLenOff = 4
	udpSumOff = 6
	tcpSumOff = 16

	tcpSeqOff   = 4
	tcpFlagsOff = 13

	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpACK = 0x10
	tcpCWR = 0x80
)

// A shape is where the parts of a TCP or UDP packet are. What it says about
// addresses it reads from the packet, whose headers stay in place.
type shape struct {
	v6        bool
	df        bool
	proto     uint8
	headerLen int // of IP
	front     int // of all headers: what a super-packet has once
}

// sumOff is where the checksum is in the TCP or UDP header.
func (s *shape) sumOff() int {
	if s.proto == ProtoUDP {
		return udpSumOff
	}
	return tcpSumOff
}

// set finds the parts of the packet at the front of b, which must fill b. It
// reports false for fragments and for what is neither TCP nor UDP.
func (s *shape) set(b []byte) bool {
	if !s.usual(b) {
		h, d := parseIP(b)
		if d != Live || h.fragment || h.totalLen != len(b) {
			return false
		}
		s.v6, s.df, s.proto, s.headerLen = h.src.Is6(), h.df, h.proto, h.headerLen
	}
	l4 := b[s.headerLen:]
	s.front = s.headerLen
	switch s.proto {
	case ProtoUDP:
		s.front += UDPHeaderLen
	case ProtoTCP:
		if len(l4) < tcpHeaderLen {
			return false
		}
		n := int(l4[12]>>4) * 4
		if n < tcpHeaderLen {
			return false
		}
		s.front += n
	default:
		return false
	}
	return s.front <= len(b)
}

// usual is the short way for what most packets are: IPv4 without options, and IPv6
// without extension headers.
func (s *shape) usual(b []byte) bool {
	switch {
	case len(b) < IPv4HeaderLen:
		return false
	case b[0] == 0x45:
		s.v6, s.df, s.proto, s.headerLen = false, b[6]&0x40 != 0, b[9], IPv4HeaderLen
		return int(be16(b[2:])) == len(b) && be16(b[6:])&0x3fff == 0
	case b[0]>>4 == 6 && len(b) >= IPv6HeaderLen:
		s.v6, s.df, s.proto, s.headerLen = true, true, b[6], IPv6HeaderLen
		return IPv6HeaderLen+int(be16(b[4:])) == len(b) && !IsExtension(b[6])
	}
	return false
}

// addresses is source and destination as they are in ip.
func (s *shape) addresses(ip []byte) []byte {
	if s.v6 {
		return ip[8:IPv6HeaderLen]
	}
	return ip[12:IPv4HeaderLen]
}

// pseudo is the sum of the pseudo-header of an upper-layer packet of n bytes.
func (s *shape) pseudo(ip []byte, n int) uint64 {
	return sumWords(s.addresses(ip), uint64(s.proto)+uint64(n))
}

// covered is the sum of all that the checksum of TCP or UDP covers. Without options
// and extension headers what IP carries is right behind the addresses.
func (s *shape) covered(ip []byte) uint64 {
	l4, addrs := ip[s.headerLen:], s.addresses(ip)
	if plain := s.headerLen == IPv4HeaderLen || s.v6 && s.headerLen == IPv6HeaderLen; plain {
		return sumBytes(ip[s.headerLen-len(addrs):], uint64(s.proto)+uint64(len(l4)))
	}
	return sumBytes(l4, s.pseudo(ip, len(l4)))
}

// setLengths writes the length of the packet into its headers, of which ip has
// all, and id into an IPv4 header.
func (s *shape) setLengths(ip []byte, total int, id uint16) {
	if s.v6 {
		putBE16(ip[4:], uint16(total-IPv6HeaderLen))
	} else {
		putBE16(ip[2:], uint16(total))
		putBE16(ip[4:], id)
		putBE16(ip[10:], 0)
		putBE16(ip[10:], ^fold(sumHeader(ip[:s.headerLen])))
	}
	if s.proto == ProtoUDP {
		putBE16(ip[s.headerLen+udpLenOff:], uint16(total-s.headerLen))
	}
}

// id is the identification of an IPv4 packet.
func (s *shape) id(ip []byte) uint16 {
	if s.v6 {
		return 0
	}
	return be16(ip[4:])
}

// setChecksum fills in the checksum of TCP or UDP.
func (s *shape) setChecksum(ip []byte) {
	field := ip[s.headerLen+s.sumOff():]
	putBE16(field, 0)
	sum := ^fold(s.covered(ip))
	if sum == 0 && s.proto == ProtoUDP {
		sum = 0xffff // zero would mean none (RFC 768)
	}
	putBE16(field, sum)
}

// setPartial writes the sum of the pseudo-header alone: the kernel adds the rest,
// packet by packet, where it is asked to.
func (s *shape) setPartial(ip []byte, total int) {
	putBE16(ip[s.headerLen+s.sumOff():], fold(s.pseudo(ip, total-s.headerLen)))
}

// verified reports whether the checksums of IPv4 and of TCP or UDP are right.
// Over IPv4 UDP may have none.
func (s *shape) verified(ip []byte) bool {
	if !s.v6 && fold(sumHeader(ip[:s.headerLen])) != 0xffff {
		return false
	}
	if s.proto == ProtoUDP && be16(ip[s.headerLen+udpSumOff:]) == 0 {
		return !s.v6
	}
	return fold(s.covered(ip)) == 0xffff
}
