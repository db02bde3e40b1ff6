package packet

// PutUDP writes a UDP header at the front of b, which has room for it. length
// counts the header and the data. The checksum is left zero, which means none
// over IPv4 (RFC 768) and is what RFC 3948, Section 2.1 asks of ESP in UDP.
//
// Over IPv6 zero is allowed for tunnels only, and only where the receiver has
// been told (RFC 6935); sockets refuse it by default, so call SetUDPChecksum
// there.
func PutUDP(b []byte, src, dst uint16, length int) {
	b = b[:UDPHeaderLen]
	putBE16(b, src)
	putBE16(b[2:], dst)
	putBE16(b[4:], uint16(length))
	putBE16(b[6:], 0)
}

// SetUDPChecksum computes the checksum of the UDP datagram in the IP packet at
// the front of ip. It reports false, and changes nothing, where ip is not a
// whole UDP packet.
func SetUDPChecksum(ip []byte) bool {
	h, d := parseIP(ip)
	if d != Live || h.fragment || h.proto != ProtoUDP || h.totalLen-h.headerLen < UDPHeaderLen {
		return false
	}
	udp := ip[h.headerLen:h.totalLen]
	putBE16(udp[6:], 0)
	sum := Checksum(udp, pseudoSum(h, len(udp)))
	if sum == 0 {
		sum = 0xffff // zero would mean none (RFC 768)
	}
	putBE16(udp[6:], sum)
	return true
}
