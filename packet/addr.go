package packet

import (
	"bytes"
	"net/netip"
)

// ReplaceAddr writes to over the source (or, src being false, the destination)
// address of the IP packet at the front of ip and corrects every checksum that
// covers it: the IPv4 header's, and that of TCP, UDP, UDP-Lite, DCCP or ICMPv6
// where the packet carries one. A UDP checksum of zero means none (over IPv6 by
// RFC 6935) and stays. Of a fragmented packet only the first fragment holds the checksum, and
// it is corrected there for the whole.
//
// It reports false, and changes nothing, where ip is not such a packet, is cut
// off before its checksum, or to is of the other family. Addresses inside the
// payload, such as that of an ICMP error, are not looked at.
func ReplaceAddr(ip []byte, src bool, to netip.Addr) bool {
	h, d := parseIP(ip)
	to = to.Unmap()
	if d != Live || !to.IsValid() || to.Is4() != h.src.Is4() {
		return false
	}
	sum, ok := checksumField(ip, h)
	if !ok {
		return false
	}
	var room [16]byte
	field, addr := addrField(ip, h, src), room[:0]
	if to.Is4() {
		a := to.As4()
		addr = append(addr, a[:]...)
		putBE16(ip[10:], updateChecksum(be16(ip[10:]), field, addr))
	} else {
		a := to.As16()
		addr = append(addr, a[:]...)
	}
	if sum != nil && !bytes.Equal(field, addr) {
		fixed := updateChecksum(be16(sum), field, addr)
		if fixed == 0 && h.proto == ProtoUDP {
			fixed = 0xffff
		}
		putBE16(sum, fixed)
	}
	copy(field, addr)
	return true
}

// addrField returns the bytes of the source or destination address.
func addrField(ip []byte, h ipHeader, src bool) []byte {
	off, size := 8, 16
	if h.src.Is4() {
		off, size = 12, 4
	}
	if !src {
		off += size
	}
	return ip[off : off+size]
}

// checksumField returns the two bytes of the upper-layer checksum that covers
// the addresses, nil where the packet has none. ok is false where it should
// have one and ends before it.
func checksumField(ip []byte, h ipHeader) (field []byte, ok bool) {
	if h.offset != 0 {
		return nil, true
	}
	var off int
	switch h.proto {
	case ProtoTCP:
		off = 16
	case ProtoUDP, ProtoUDPLite, ProtoDCCP:
		off = 6
	case ProtoICMPv6:
		off = 2
	default:
		return nil, true
	}
	l4 := ip[h.headerLen:h.totalLen]
	if len(l4) < off+2 {
		return nil, false
	}
	field = l4[off : off+2]
	if h.proto == ProtoUDP && be16(field) == 0 {
		return nil, true
	}
	return field, true
}
