package message

// HeaderLen is the size of an IKE header.
const HeaderLen = 28

// Version is what this package sends: major 2, minor 0.
const Version uint8 = 0x20

// Flags of a header (RFC 7296, Section 3.1).
type Flags uint8

// FlagInitiator is set by the original initiator of the IKE SA, FlagResponse in
// a response. FlagVersion is ignored on input and never sent.
const (
	FlagInitiator Flags = 0x08
	FlagVersion   Flags = 0x10
	FlagResponse  Flags = 0x20
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
