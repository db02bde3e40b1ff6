package message

// SA offers or accepts proposals (RFC 7296, Section 3.3).
type SA struct {
	Proposals []Proposal
}

// Type returns PayloadSA.
func (*SA) Type() PayloadType { return PayloadSA }

// A Proposal is one way to protect an SA: one transform of each type in it is
// to be taken (RFC 7296, Section 3.3.1).
type Proposal struct {
	Number     uint8
	Protocol   Protocol
	SPI        []byte
	Transforms []Transform
}

// A Transform is one algorithm (RFC 7296, Section 3.3.2). ID is an EncrID,
// PRFID, IntegID, DHGroup or ESNID according to Type.
type Transform struct {
	Type   TransformType
	ID     uint16
	KeyLen uint16 // of the key length attribute, in bits; 0 where it is absent
	// Other are the remaining attributes: unknown ones, and key lengths that are
	// zero, doubled or not in the short form. A transform that has any must not be
	// chosen (RFC 7296, Section 3.3.6).
	Other []Attribute
}

// An Attribute is one transform attribute (RFC 7296, Section 3.3.5).
type Attribute struct {
	Type  uint16 // without the format bit
	Short bool   // TV format: Value is the two octets in the place of the length
	Value []byte
}

// AttrKeyLength is the only transform attribute there is.
const AttrKeyLength uint16 = 14
