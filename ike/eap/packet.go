package eap

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A Code says what kind of message one is (RFC 3748, Section 4).
type Code uint8

// The codes.
const (
	CodeRequest  Code = 1
	CodeResponse Code = 2
	CodeSuccess  Code = 3
	CodeFailure  Code = 4
)

// A Type is a method, or one of the types that are no methods (RFC 3748, Section
// 5).
type Type uint8

// The types that are implemented.
const (
	TypeIdentity     Type = 1
	TypeNotification Type = 2
	TypeNak          Type = 3
	TypeTLS          Type = 13
	TypeMSCHAPv2     Type = 26
)

// String is the name of a method that a peer may be asked for.
func (t Type) String() string {
	names := map[Type]string{0: "no other method", TypeIdentity: "EAP-Identity", TypeNotification: "EAP-Notification", TypeNak: "EAP-Nak",
		4: "EAP-MD5", 6: "EAP-GTC", TypeTLS: "EAP-TLS", 18: "EAP-SIM", 21: "EAP-TTLS", 23: "EAP-AKA", 25: "PEAP",
		TypeMSCHAPv2: "EAP-MSCHAPv2", 43: "EAP-FAST", 50: "EAP-AKA'", 52: "EAP-PWD", 55: "TEAP"}
	if n, ok := names[t]; ok {
		return n
	}
	return fmt.Sprintf("EAP method %d", uint8(t))
}

// A Packet is one EAP message.
type Packet struct {
	Code Code
	ID   uint8  // the Identifier, which a response has of its request
	Type Type   // of requests and responses only
	Data []byte // Type-Data, the same
}

// ErrMalformed means that a message is not as the RFCs want it.
var ErrMalformed = errors.New("malformed EAP message")

const headerLen = 4 // Code, Identifier, Length

// Parse reads a message, which b must hold exactly (RFC 7296, Section 3.16). Data
// aliases b.
func Parse(b []byte) (Packet, error) {
	if len(b) < headerLen || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return Packet{}, fmt.Errorf("%w: its length is wrong", ErrMalformed)
	}
	p := Packet{Code: Code(b[0]), ID: b[1]}
	switch p.Code {
	case CodeSuccess, CodeFailure:
		if len(b) != headerLen {
			return Packet{}, fmt.Errorf("%w: data in a Success or Failure", ErrMalformed)
		}
	case CodeRequest, CodeResponse:
		if len(b) == headerLen {
			return Packet{}, fmt.Errorf("%w: it has no type", ErrMalformed)
		}
		p.Type, p.Data = Type(b[headerLen]), b[headerLen+1:]
	default:
		return Packet{}, fmt.Errorf("%w: its code is %d", ErrMalformed, b[0])
	}
	return p, nil
}

// Marshal is p as it is sent. Its data must leave room for the header in 65535
// octets.
func (p Packet) Marshal() []byte {
	n := headerLen
	if p.Code == CodeRequest || p.Code == CodeResponse {
		n += 1 + len(p.Data)
	}
	b := binary.BigEndian.AppendUint16([]byte{byte(p.Code), p.ID}, uint16(n))
	if n > headerLen {
		b = append(append(b, byte(p.Type)), p.Data...)
	}
	return b
}
