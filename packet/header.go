package packet

import "net/netip"

const (
	IPv4HeaderLen = 20 // without options
	IPv6HeaderLen = 40 // without extension headers
	UDPHeaderLen  = 8
)

// IPHeader is what PutIP writes.
type IPHeader struct {
	Src, Dst netip.Addr // both of one family
	Proto    uint8      // next header
	TTL      uint8      // hop limit
	TOS      uint8      // DSCP and ECN, the traffic class of IPv6
	DF       bool       // IPv4 only
	ID       uint16     // IPv4 only; must differ from packet to packet where DF is not set
	Len      int        // whole packet, header included
}

// PutIP writes the header of h's family at the front of b, as PutIPv4 or
// PutIPv6 does.
func PutIP(b []byte, h IPHeader) int {
	if h.Dst.Is4() {
		return PutIPv4(b, h)
	}
	return PutIPv6(b, h)
}

// PutIPv4 writes an IPv4 header without options at the front of b, checksum
// included, and returns its length: 0, and nothing written, where b is too
// short, an address is not IPv4, or h.Len is no length of an IPv4 packet.
func PutIPv4(b []byte, h IPHeader) int {
	fits := h.Len >= IPv4HeaderLen && h.Len <= MaxPacket
	if len(b) < IPv4HeaderLen || !h.Src.Is4() || !h.Dst.Is4() || !fits {
		return 0
	}
	src, dst := h.Src.As4(), h.Dst.As4()
	b = b[:IPv4HeaderLen]
	b[0], b[1] = 0x45, h.TOS
	putBE16(b[2:], uint16(h.Len))
	putBE16(b[4:], h.ID)
	putBE16(b[6:], 0)
	if h.DF {
		b[6] = 0x40
	}
	b[8], b[9] = h.TTL, h.Proto
	putBE16(b[10:], 0)
	copy(b[12:16], src[:])
	copy(b[16:20], dst[:])
	putBE16(b[10:], Checksum(b, 0))
	return IPv4HeaderLen
}

// PutIPv6 writes an IPv6 header without extension headers at the front of b,
// with flow label 0, and returns its length: 0, and nothing written, where b is
// too short, an address is not IPv6, or h.Len is no length of an IPv6 packet.
func PutIPv6(b []byte, h IPHeader) int {
	fits := h.Len >= IPv6HeaderLen && h.Len <= IPv6HeaderLen+0xffff
	if len(b) < IPv6HeaderLen || !h.Src.Is6() || !h.Dst.Is6() || !fits {
		return 0
	}
	src, dst := h.Src.As16(), h.Dst.As16()
	b = b[:IPv6HeaderLen]
	b[0], b[1], b[2], b[3] = 0x60|h.TOS>>4, h.TOS<<4, 0, 0
	putBE16(b[4:], uint16(h.Len-IPv6HeaderLen))
	b[6], b[7] = h.Proto, h.TTL
	copy(b[8:24], src[:])
	copy(b[24:40], dst[:])
	return IPv6HeaderLen
}

// SetLen makes n the length of the IP packet whose header, written by PutIP,
// is at the front of ip. An IPv4 checksum is corrected. n counts the header.
func SetLen(ip []byte, n int) {
	if ip[0]>>4 == 4 {
		setWord(ip, 2, uint16(n))
		return
	}
	putBE16(ip[4:], uint16(n-IPv6HeaderLen))
}

// SetID makes id the identification of the IPv4 packet at the front of ip and
// corrects the checksum. IPv6 packets have none and stay as they are.
func SetID(ip []byte, id uint16) {
	if ip[0]>>4 == 4 {
		setWord(ip, 4, id)
	}
}

// Stamp copies header, which begins as PutIP wrote it, to the front of ip, and
// sets what differs from packet to packet: the length, which is that of ip, the
// DSCP and ECN byte and, of IPv4, the identification. ip is no shorter.
func Stamp(ip, header []byte, tos uint8, id uint16) {
	copy(ip, header)
	if header[0]>>4 != 4 {
		putBE16(ip[4:], uint16(len(ip)-IPv6HeaderLen))
		SetTOS(ip, tos)
		return
	}
	t, h := (*[IPv4HeaderLen]byte)(header), (*[IPv4HeaderLen]byte)(ip)
	h[1] = tos
	putBE16(h[2:], uint16(len(ip)))
	putBE16(h[4:], id)
	// One step of UpdateChecksum16 for all three words.
	sum := uint64(^be16(t[10:])) + uint64(^be16(t[:])) + uint64(^be16(t[2:])) + uint64(^be16(t[4:])) +
		uint64(t[0])<<8 + uint64(tos) + uint64(uint16(len(ip))) + uint64(id)
	putBE16(h[10:], ^fold(sum))
}

// TOS returns the DSCP and ECN byte of the IP packet at the front of ip, which
// ParseFlow has accepted or PutIP has written.
func TOS(ip []byte) uint8 {
	if ip[0]>>4 == 4 {
		return ip[1]
	}
	return ip[0]<<4 | ip[1]>>4
}

// SetTOS rewrites the byte that TOS returns. An IPv4 checksum is corrected.
func SetTOS(ip []byte, tos uint8) {
	if ip[0]>>4 == 4 {
		setWord(ip, 0, uint16(ip[0])<<8|uint16(tos))
		return
	}
	ip[0] = ip[0]&0xf0 | tos>>4
	ip[1] = tos<<4 | ip[1]&0x0f
}

// setWord writes v at the even offset off of an IPv4 header and corrects the
// header checksum.
func setWord(ip []byte, off int, v uint16) {
	sum := UpdateChecksum16(be16(ip[10:]), be16(ip[off:]), v)
	putBE16(ip[off:], v)
	putBE16(ip[10:], sum)
}
