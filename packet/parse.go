package packet

import (
	"encoding/binary"
	"net/netip"
)

// maxExtensions bounds the walk over IPv6 extension headers. RFC 8200 names
// fewer kinds that may occur, and none needs to occur more than twice.
const maxExtensions = 8

// An ipHeader is the header of either IP version in one form.
type ipHeader struct {
	src, dst  netip.Addr
	headerLen int   // up to the next protocol, extension headers included
	totalLen  int   // at least headerLen, at most the length of the data
	proto     uint8 // behind the extension headers
	tos       uint8
	df        bool
	fragment  bool // offset or more-fragments set
	offset    int  // of the fragment, in bytes
}

// parseIP checks and reads the IP header at the front of b. What it returns
// without a Drop keeps 0 < headerLen <= totalLen <= len(b).
func parseIP(b []byte) (h ipHeader, d Drop) {
	if len(b) == 0 {
		return h, Truncated
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b)
	case 6:
		return parseIPv6(b)
	}
	return h, NotIP
}

func parseIPv4(b []byte) (h ipHeader, d Drop) {
	if len(b) < IPv4HeaderLen {
		return h, Truncated
	}
	h.headerLen = int(b[0]&0x0f) * 4
	h.totalLen = int(be16(b[2:]))
	if h.headerLen < IPv4HeaderLen || h.totalLen < h.headerLen {
		return h, Malformed
	}
	if h.totalLen > len(b) {
		return h, Truncated
	}
	frag := be16(b[6:])
	h.df = frag&0x4000 != 0
	h.offset = int(frag&0x1fff) * 8
	h.fragment = frag&0x3fff != 0
	h.tos, h.proto = b[1], b[9]
	h.src = netip.AddrFrom4([4]byte(b[12:16]))
	h.dst = netip.AddrFrom4([4]byte(b[16:20]))
	return h, fragmentFits(h)
}

func parseIPv6(b []byte) (h ipHeader, d Drop) {
	if len(b) < IPv6HeaderLen {
		return h, Truncated
	}
	h.headerLen = IPv6HeaderLen
	h.totalLen = IPv6HeaderLen + int(be16(b[4:]))
	if h.totalLen > len(b) {
		return h, Truncated
	}
	h.df = true
	h.tos = b[0]<<4 | b[1]>>4
	h.proto = b[6]
	h.src = netip.AddrFrom16([16]byte(b[8:24]))
	h.dst = netip.AddrFrom16([16]byte(b[24:40]))
	// Unmapped they would pass for IPv4 in every rule, as they came they would
	// match none: such packets are not for the wire (RFC 6890, Section 2.2.3).
	if h.src.Is4In6() || h.dst.Is4In6() {
		return h, Malformed
	}
	if d := h.walkExtensions(b[:h.totalLen]); d != Live {
		return h, d
	}
	return h, fragmentFits(h)
}

// walkExtensions moves headerLen and proto behind the extension headers of b
// (RFC 8200, Section 4). Behind the header of a fragment that is not the first
// there is payload, not a header.
func (h *ipHeader) walkExtensions(b []byte) Drop {
	for range maxExtensions {
		rest := b[h.headerLen:]
		n := 8
		switch h.proto {
		case ProtoHopByHop, ProtoRouting, ProtoDestOpts:
			if len(rest) < 8 {
				return Truncated
			}
			n = (int(rest[1]) + 1) * 8
		case ProtoFragment:
			if len(rest) < 8 {
				return Truncated
			}
			if h.fragment {
				return Malformed // one of one is enough
			}
			h.offset = int(be16(rest[2:]) &^ 7)
			h.fragment = h.offset != 0 || rest[3]&1 != 0
		default:
			return Live
		}
		if len(rest) < n {
			return Truncated
		}
		h.proto = rest[0]
		h.headerLen += n
		if h.offset != 0 {
			return Live
		}
	}
	return Malformed
}

// fragmentFits refuses a fragment that would end behind the longest packet
// there is ("ping of death").
func fragmentFits(h ipHeader) Drop {
	if h.offset+h.totalLen-h.headerLen > MaxPacket {
		return Malformed
	}
	return Live
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

func putBE16(b []byte, v uint16) { binary.BigEndian.PutUint16(b, v) }
