package packet

const (
	tcpHeaderLen = 20
	tcpFlagSYN   = 0x02

	optEnd = 0
	optNop = 1
	optMSS = 2
)

// ClampMSS lowers the maximum segment size that the TCP SYN at the front of ip
// announces to what fits a packet of mtu bytes, IP and TCP header without
// options (RFC 6691), and corrects the checksum. It reports whether it changed
// the packet. A SYN without the option stays as it is: its receiver assumes 536
// or 1220 bytes (RFC 9293, Section 3.7.1).
func ClampMSS(ip []byte, mtu int) bool {
	h, d := parseIP(ip)
	if d != Live || h.proto != ProtoTCP || h.fragment || h.totalLen-h.headerLen < tcpHeaderLen {
		return false
	}
	tcp := ip[h.headerLen:h.totalLen]
	if tcp[13]&tcpFlagSYN == 0 {
		return false
	}
	fixed := IPv6HeaderLen
	if h.src.Is4() {
		fixed = IPv4HeaderLen
	}
	limit := mtu - fixed - tcpHeaderLen
	off := findMSS(tcp)
	if off == 0 || limit <= 0 || int(be16(tcp[off:])) <= limit {
		return false
	}
	// The value may be at an odd offset and then lies in two words of the sum.
	words := tcp[off&^1 : (off+3)&^1]
	var was [4]byte
	n := copy(was[:], words)
	putBE16(tcp[off:], uint16(limit))
	putBE16(tcp[16:], updateChecksum(be16(tcp[16:]), was[:n], words))
	return true
}

// findMSS returns the offset of the value of the MSS option in tcp, 0 where
// there is none or the options are malformed before it.
func findMSS(tcp []byte) int {
	end := int(tcp[12]>>4) * 4
	if end > len(tcp) {
		return 0
	}
	for i := tcpHeaderLen; i < end; {
		switch {
		case tcp[i] == optEnd:
			return 0
		case tcp[i] == optNop:
			i++
			continue
		case i+1 >= end || tcp[i+1] < 2 || i+int(tcp[i+1]) > end:
			return 0
		case tcp[i] == optMSS && tcp[i+1] == 4:
			return i + 2
		}
		i += int(tcp[i+1])
	}
	return 0
}
