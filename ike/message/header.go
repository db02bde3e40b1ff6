package message

import "encoding/binary"

// HeaderLen is the size of an IKE header.
const HeaderLen = 28

// Version is what this package sends: major 2, minor 0.
const Version uint8 = 0x20

// Flags of a header (RFC 7296, Section 3.1).
type Flags uint8

// FlagInitiator is set by the original initiator of the IKE SA, FlagResponse in
// a response. The other flags are ignored on input and never sent.
const (
	FlagInitiator Flags = 0x08
	FlagResponse  Flags = 0x20
)

const (
	versionOff = 17
	lengthOff  = 24
)

// A Header starts every IKE message (RFC 7296, Section 3.1).
type Header struct {
	SPIi, SPIr SPI
	Next       PayloadType // of the first payload; Marshal computes it
	Version    uint8       // major version in the upper four bits; 0 is sent as Version
	Exchange   ExchangeType
	Flags      Flags
	MessageID  uint32
	Length     uint32 // of the whole message; Marshal computes it
}

// IsResponse reports whether the response flag is set.
func (h Header) IsResponse() bool { return h.Flags&FlagResponse != 0 }

// FromInitiator reports whether the original initiator of the IKE SA sent it.
func (h Header) FromInitiator() bool { return h.Flags&FlagInitiator != 0 }

// ParseHeader decodes the header of datagram b and checks it against b. With
// every error but ErrShort the header is returned too, for it is what an error
// reply is made from.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, &ParseError{PayloadNone, len(b), ErrShort}
	}
	var fail failure
	r := reader{b: b, fail: &fail}
	h := Header{
		SPIi:      SPI(r.u64()),
		SPIr:      SPI(r.u64()),
		Next:      PayloadType(r.u8()),
		Version:   r.u8(),
		Exchange:  ExchangeType(r.u8()),
		Flags:     Flags(r.u8()) & (FlagInitiator | FlagResponse),
		MessageID: r.u32(),
		Length:    r.u32(),
	}
	major := h.Version >> 4
	switch {
	case major > Version>>4: // before the rest, which a later version may define anew
		return h, &ParseError{PayloadNone, versionOff, ErrMajor}
	case major < Version>>4:
		return h, &ParseError{PayloadNone, versionOff, ErrVersion}
	case h.SPIi == 0:
		return h, &ParseError{PayloadNone, 0, ErrSPI}
	case uint64(h.Length) != uint64(len(b)):
		return h, &ParseError{PayloadNone, lengthOff, ErrLength}
	}
	return h, nil
}

// Append adds the encoding of h as it stands, with its Next and Length.
func (h Header) Append(b []byte) []byte {
	if h.Version == 0 {
		h.Version = Version
	}
	b = binary.BigEndian.AppendUint64(b, uint64(h.SPIi))
	b = binary.BigEndian.AppendUint64(b, uint64(h.SPIr))
	b = append(b, byte(h.Next), h.Version, byte(h.Exchange), byte(h.Flags&(FlagInitiator|FlagResponse)))
	b = binary.BigEndian.AppendUint32(b, h.MessageID)
	return binary.BigEndian.AppendUint32(b, h.Length)
}
