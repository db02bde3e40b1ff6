package crypt

import (
	"crypto/sha1"
	"encoding/binary"
	"net/netip"

	"warren/ike/message"
)

// NATHash is the data of a NAT_DETECTION_*_IP notify (RFC 7296, Section 2.23).
// SPIr is zero in the first message of an IKE SA. SHA-1 is the RFC's choice; it
// protects nothing here.
func NATHash(spii, spir message.SPI, a netip.AddrPort) []byte {
	b := make([]byte, 0, 2*message.SPILen+16+2)
	b = binary.BigEndian.AppendUint64(b, uint64(spii))
	b = binary.BigEndian.AppendUint64(b, uint64(spir))
	b = append(b, a.Addr().Unmap().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	sum := sha1.Sum(b)
	return sum[:]
}
