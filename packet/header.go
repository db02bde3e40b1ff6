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
	ID       uint16     // IPv4 only; needed where DF is not set
	Len      int        // whole packet, header included
}

// PutIP writes the header of h's family at the front of b, and returns its
// length; 0 where b is too short.
func PutIP(b []byte, h IPHeader) int { panic("not yet") }

// PutIPv4 writes an IPv4 header without options, checksum included.
func PutIPv4(b []byte, h IPHeader) int { panic("not yet") }

// PutIPv6 writes an IPv6 header without extension headers.
func PutIPv6(b []byte, h IPHeader) int { panic("not yet") }

// SetLen rewrites the length of the IP packet at the front of ip (and the IPv4 checksum).
func SetLen(ip []byte, n int) { panic("not yet") }

// TOS returns the DSCP and ECN byte of the IP packet.
func TOS(ip []byte) uint8 { panic("not yet") }

// SetTOS rewrites the DSCP and ECN byte (and the IPv4 checksum).
func SetTOS(ip []byte, tos uint8) { panic("not yet") }

// PutUDP writes a UDP header with checksum zero.
func PutUDP(b []byte, src, dst uint16, length int) { panic("not yet") }

// SetUDPChecksum computes the checksum of the UDP packet that ip carries (needed over IPv6).
func SetUDPChecksum(ip []byte) bool { panic("not yet") }

// OuterTOS returns the byte for an outer header, RFC 6040, Section 4.1.
func OuterTOS(inner uint8) uint8 { panic("not yet") }

// DecapECN combines outer and inner byte, RFC 6040, Section 4.2; false = drop with ECN.
func DecapECN(outer, inner uint8) (tos uint8, ok bool) { panic("not yet") }

// Checksum returns the Internet checksum of b, continuing the unfolded sum initial.
func Checksum(b []byte, initial uint32) uint16 { panic("not yet") }

// UpdateChecksum16 returns checksum sum after a 16-bit field changed (RFC 1624).
func UpdateChecksum16(sum, from, to uint16) uint16 { panic("not yet") }

// ReplaceAddr writes to over the source (src) or destination address and corrects the checksums.
func ReplaceAddr(ip []byte, src bool, to netip.Addr) bool { panic("not yet") }

// ClampMSS lowers the MSS option of a TCP SYN to what mtu allows.
func ClampMSS(ip []byte, mtu int) bool { panic("not yet") }

// Unreach says why an ICMPUnreachable is sent.
type Unreach uint8

const (
	UnreachNoRoute Unreach = iota
	UnreachHost
	UnreachAdmin
	UnreachPort
)

// ICMPTooBig writes to dst the answer to orig, which is larger than mtu.
func ICMPTooBig(dst, orig []byte, mtu int, src netip.Addr) []byte { panic("not yet") }

// ICMPUnreachable writes to dst the answer to orig, which cannot be delivered.
func ICMPUnreachable(dst, orig []byte, why Unreach, src netip.Addr) []byte { panic("not yet") }

// ICMPTimeExceeded writes to dst the answer to orig, whose hop limit ran out.
func ICMPTimeExceeded(dst, orig []byte, src netip.Addr) []byte { panic("not yet") }
