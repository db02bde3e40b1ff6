package dataplane

import (
	"encoding/binary"
	"net/netip"

	"warren/nest"
	"warren/packet"
)

const icmpHeaderLen = 8

// quoted returns the packet that the ICMP error in p quotes, and false where p
// is no ICMP error.
func quoted(p *packet.Packet) (quote []byte, ok bool) {
	if p.Info.Fragment || p.Len() < p.Info.HeaderLen+icmpHeaderLen+packet.IPv4HeaderLen {
		return nil, false
	}
	icmp := p.Bytes()[p.Info.HeaderLen:]
	switch p.Flow.Proto {
	case packet.ProtoICMP: // RFC 792: the types with a quote
		ok = icmp[0] == 3 || icmp[0] == 4 || icmp[0] == 5 || icmp[0] == 11 || icmp[0] == 12
	case packet.ProtoICMPv6: // RFC 4443, Section 2.1: errors are below 128
		ok = icmp[0] < 128
	}
	return icmp[icmpHeaderLen:], ok
}

// quoteAddrs returns where in quote the addresses are, and its family.
func quoteAddrs(quote []byte) (src, dst netip.Addr, ok bool) {
	switch {
	case quote[0]>>4 == 4 && len(quote) >= packet.IPv4HeaderLen:
		return netip.AddrFrom4([4]byte(quote[12:16])), netip.AddrFrom4([4]byte(quote[16:20])), true
	case quote[0]>>4 == 6 && len(quote) >= packet.IPv6HeaderLen:
		return netip.AddrFrom16([16]byte(quote[8:24])), netip.AddrFrom16([16]byte(quote[24:40])), true
	}
	return src, dst, false
}

// Which address of a quoted packet is meant: an ICMP error that comes in quotes
// a packet from this node, one that goes out quotes a packet to it.
type quotedAddr bool

const (
	quotedSrc quotedAddr = false
	quotedDst quotedAddr = true
)

// translateQuote replaces an address in the packet that an ICMP error quotes: a
// lease, so that the kernel knows the packet for one of its own, or the node's
// own, which is not the far side's business and unknown there. ICMP's checksum
// covers the quote; the checksums within the quote stay as they are: nobody
// verifies those of a packet that is cut short.
func translateQuote(p *packet.Packet, which quotedAddr, from, to netip.Addr) {
	quote, ok := quoted(p)
	if !ok {
		return
	}
	src, dst, ok := quoteAddrs(quote)
	if !ok || which == quotedSrc && src != from || which == quotedDst && dst != from {
		return
	}
	addr, at := to.As16(), 8
	bytes := addr[:]
	if to.Is4() {
		bytes, at = addr[12:], 12 // IPv4-mapped
	}
	if which == quotedDst {
		at += len(bytes)
	}
	rewrite(p.Bytes()[p.Info.HeaderLen+2:], quote[at:at+len(bytes)], bytes)
}

// rewrite writes to over field and corrects the checksum at the front of sum.
func rewrite(sum, field, to []byte) {
	s := binary.BigEndian.Uint16(sum)
	for i := 0; i+1 < len(field); i += 2 {
		s = packet.UpdateChecksum16(s, binary.BigEndian.Uint16(field[i:]), binary.BigEndian.Uint16(to[i:]))
	}
	binary.BigEndian.PutUint16(sum, s)
	copy(field, to)
}

// pathMTU tells the Handler of a too-big report about an ESP packet that this
// node sent inside the layer, and reports whether p was one. It came out of the
// layer, so it is as true as its peers (RFC 4301, Section 8.2.1).
func (o *opener) pathMTU(p *packet.Packet, info *nest.LayerInfo) bool {
	quote, ok := quoted(p)
	if !ok {
		return false
	}
	src, dst, ok := quoteAddrs(quote)
	if !ok || src != p.Flow.Dst || !isESP(quote, o.d.ports.NATT) {
		return false
	}
	icmp := p.Bytes()[p.Info.HeaderLen:]
	mtu := 0
	switch {
	case p.Flow.Proto == packet.ProtoICMP && icmp[0] == 3 && icmp[1] == 4: // RFC 1191, Section 4
		mtu = int(binary.BigEndian.Uint16(icmp[6:]))
	case p.Flow.Proto == packet.ProtoICMPv6 && icmp[0] == 2: // RFC 4443, Section 3.2
		mtu = int(min(binary.BigEndian.Uint32(icmp[4:]), packet.MaxPacket))
	}
	if mtu == 0 {
		return false
	}
	o.d.opt.Handler.PathMTU(info.Layer, dst, mtu)
	return true
}

// isESP reports whether the quoted packet is ESP, plain or in UDP from port natt.
func isESP(quote []byte, natt uint16) bool {
	proto, header := quote[9], int(quote[0]&0xf)*4
	if quote[0]>>4 == 6 {
		proto, header = quote[6], packet.IPv6HeaderLen
	}
	if proto == packet.ProtoESP {
		return true
	}
	return proto == packet.ProtoUDP && len(quote) >= header+2 && binary.BigEndian.Uint16(quote[header:]) == natt
}
