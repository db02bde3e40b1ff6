package esp

import (
	"encoding/binary"
	"fmt"
)

// An SPI names an inbound SA of the node that chose it.
type SPI uint32

// MaxReservedSPI is the last SPI that names no SA (RFC 4303, Section 2.1).
const MaxReservedSPI SPI = 255

// String returns the SPI as 0x and eight digits.
func (s SPI) String() string { return fmt.Sprintf("0x%08x", uint32(s)) }

// A Header is the cleartext front of an ESP packet, read in place (RFC 4303,
// Section 2): the SPI, then the low half of the sequence number.
//
// Bytes from the network become a Header only through ParseHeader, so a Header
// in hand is long enough and its accessors need no checks of their own.
type Header []byte

const (
	HeaderLen = 8

	spiOff = 0
	seqOff = 4
)

// ParseHeader reports whether b starts with an ESP header that can name an SA.
// The zero word that marks IKE on port 4500 (RFC 3948, Section 2.2) does not,
// nor does any SPI up to MaxReservedSPI. Where b is too short, h is nil.
func ParseHeader(b []byte) (h Header, ok bool) {
	if len(b) < HeaderLen {
		return nil, false
	}
	h = Header(b[:HeaderLen:HeaderLen])
	return h, h.SPI() > MaxReservedSPI
}

// SPI returns the security parameters index.
func (h Header) SPI() SPI { return SPI(binary.BigEndian.Uint32(h[spiOff:])) }

// SeqLo returns the low half of the sequence number, which is all of it that is
// on the wire.
func (h Header) SeqLo() uint32 { return binary.BigEndian.Uint32(h[seqOff:]) }
