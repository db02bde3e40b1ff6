package packet

import "net/netip"

// ParseQuote reads the 5-tuple of the packet that an ICMP error quotes. Unlike
// ParseFlow it takes a packet that is cut off anywhere behind its IP header:
// ports that are not there are unknown, and Frag is set. Extension headers are
// not walked; the flow has the number of the first one for its protocol.
func ParseQuote(ip []byte) (f Flow, ok bool) {
	if len(ip) == 0 {
		return f, false
	}
	l4, first := 0, true
	switch {
	case ip[0]>>4 == 4 && len(ip) >= IPv4HeaderLen && ip[0]&0xf >= 5:
		l4, f.Proto = int(ip[0]&0xf)*4, ip[9]
		first = be16(ip[6:])&0x1fff == 0
		f.Src, f.Dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	case ip[0]>>4 == 6 && len(ip) >= IPv6HeaderLen:
		l4, f.Proto = IPv6HeaderLen, ip[6]
		f.Src, f.Dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	default:
		return f, false
	}
	switch {
	case f.Src.Is4In6() || f.Dst.Is4In6():
		return Flow{}, false
	case !first:
		f.Frag = true
	case hasPorts(f.Proto) && len(ip) < l4+4:
		f.Frag = true
	case hasPorts(f.Proto):
		f.SrcPort, f.DstPort = be16(ip[l4:]), be16(ip[l4+2:])
	}
	return f, true
}
