package packet

import (
	"encoding/binary"
	"net/netip"
)

// Unreach says why ICMPUnreachable is sent.
type Unreach uint8

const (
	UnreachNoRoute Unreach = iota // no way to the destination's network
	UnreachHost                   // the destination does not answer
	UnreachAdmin                  // a rule forbids it
	UnreachPort                   // nobody listens
)

const (
	icmpHeaderLen = 8
	icmpTTL       = 64

	// An error quotes as much of the packet as fits these (RFC 1812, Section
	// 4.3.2.3, RFC 4443, Section 2.4(c)).
	icmpMaxV4 = 576
	icmpMaxV6 = 1280
)

// ICMPTooBig writes into dst the answer to the packet orig, which is larger
// than mtu: fragmentation needed (RFC 1191), or packet too big with at least
// 1280 (RFC 4443, Section 3.2). src is the address it comes from.
//
// It returns the answer, a whole IP packet at the front of dst, or nil where
// none may be sent: to an ICMP error, to a fragment that is not the first, to
// and from addresses that are not of one host, to a source that has no address
// (RFC 1122, Section 3.2.2, RFC 4443, Section 2.4(e)), or where dst has no room
// for the smallest. dst and orig must not overlap; 1280 bytes are always enough.
func ICMPTooBig(dst, orig []byte, mtu int, src netip.Addr) []byte {
	e := icmpError{type4: 3, code4: 4, type6: 2, code6: 0}
	e.rest4 = uint32(min(max(mtu, 0), MaxPacket))
	e.rest6 = uint32(max(mtu, icmpMaxV6))
	e.multicast6 = true
	return e.answer(dst, orig, src)
}

// ICMPUnreachable writes into dst the answer to the packet orig, which cannot
// be delivered for the reason why. See ICMPTooBig for the rest.
func ICMPUnreachable(dst, orig []byte, why Unreach, src netip.Addr) []byte {
	e := icmpError{type4: 3, type6: 1}
	switch why {
	case UnreachNoRoute:
		e.code4, e.code6 = 0, 0
	case UnreachHost:
		e.code4, e.code6 = 1, 3
	case UnreachAdmin:
		e.code4, e.code6 = 13, 1
	case UnreachPort:
		e.code4, e.code6 = 3, 4
	}
	return e.answer(dst, orig, src)
}

// ICMPTimeExceeded writes into dst the answer to the packet orig, whose hop
// limit is used up. See ICMPTooBig for the rest.
func ICMPTimeExceeded(dst, orig []byte, src netip.Addr) []byte {
	return icmpError{type4: 11, type6: 3}.answer(dst, orig, src)
}

// An icmpError is an ICMP error message for both IP versions.
type icmpError struct {
	type4, code4, type6, code6 uint8
	rest4, rest6               uint32 // the second word of the header
	multicast6                 bool   // also sent about multicast, over IPv6
}

func (e icmpError) answer(dst, orig []byte, src netip.Addr) []byte {
	h, d := parseIP(orig)
	if d != Live || src.Is4() != h.src.Is4() || !e.mayAnswer(h, orig) {
		return nil
	}
	typ, code, rest := e.type6, e.code6, e.rest6
	out := IPHeader{Src: src, Dst: h.src, Proto: ProtoICMPv6, TTL: icmpTTL}
	ipLen, limit := IPv6HeaderLen, icmpMaxV6
	if h.src.Is4() {
		typ, code, rest = e.type4, e.code4, e.rest4
		out.Proto = ProtoICMP
		ipLen, limit = IPv4HeaderLen, icmpMaxV4
	}
	quote := min(h.totalLen, min(limit, len(dst))-ipLen-icmpHeaderLen)
	if quote < min(h.totalLen, h.headerLen+8) { // RFC 792: the header and 8 bytes
		return nil
	}
	out.Len = ipLen + icmpHeaderLen + quote
	dst = dst[:out.Len]
	PutIP(dst, out)
	icmp := dst[ipLen:]
	icmp[0], icmp[1] = typ, code
	putBE16(icmp[2:], 0)
	binary.BigEndian.PutUint32(icmp[4:], rest)
	copy(icmp[icmpHeaderLen:], orig[:quote])
	var pseudo uint32
	if !h.src.Is4() {
		pseudo = pseudoSum(ipHeader{src: src, dst: h.src, proto: ProtoICMPv6}, len(icmp))
	}
	putBE16(icmp[2:], Checksum(icmp, pseudo))
	return dst
}

// mayAnswer reports whether an error about the packet is allowed at all
// (RFC 1122, Section 3.2.2, RFC 4443, Section 2.4(e)).
func (e icmpError) mayAnswer(h ipHeader, orig []byte) bool {
	if h.offset != 0 || !isHost(h.src) {
		return false
	}
	if !isHost(h.dst) && !(e.multicast6 && h.dst.Is6() && h.dst.IsMulticast()) {
		return false
	}
	return !isICMPError(h, orig[h.headerLen:h.totalLen])
}

// isHost reports whether a can be the address of one host. Loopback is not one
// that an answer can be sent to.
func isHost(a netip.Addr) bool {
	if a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return false
	}
	return !a.Is4() || a.As4()[0] < 240 // class E and the limited broadcast
}

// isICMPError reports whether the packet is an ICMP error or redirect, or one
// whose type cannot be seen.
func isICMPError(h ipHeader, l4 []byte) bool {
	switch h.proto {
	case ProtoICMP:
		if len(l4) == 0 {
			return true
		}
		switch l4[0] {
		case 0, 8, 9, 10, 13, 14, 15, 16, 17, 18: // the queries and their replies
			return false
		}
		return true
	case ProtoICMPv6:
		return len(l4) == 0 || l4[0] < 128 || l4[0] == 137
	}
	return false
}
