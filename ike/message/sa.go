package message

import "encoding/binary"

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

// Last Substruc fields (RFC 7296, Sections 3.3.1 and 3.3.2).
const (
	lastSubstruc  = 0
	moreProposals = 2
	moreTransform = 3
)

// substruc reads the header common to proposals and transforms and cuts off the
// body. The more field must agree with whether bytes follow.
func (r *reader) substruc(more uint8) reader {
	at := r.off
	last := r.u8()
	r.take(1)
	body := r.sub(int(r.u16()), 4)
	switch {
	case last != lastSubstruc && last != more:
		r.bad(ErrValue, at)
	case last == lastSubstruc && len(r.b) > 0:
		r.bad(ErrTrailing, r.off)
	case last == more && len(r.b) == 0:
		r.bad(ErrShort, r.off)
	}
	return body
}

func (r *reader) sa() *SA {
	p, at := new(SA), r.off
	for len(r.b) > 0 && r.ok() {
		if len(p.Proposals) == MaxProposals {
			r.bad(ErrTooMany, r.off)
			break
		}
		p.Proposals = append(p.Proposals, r.proposal())
	}
	r.numbers(p.Proposals, at)
	return p
}

// numbers checks that proposals count up. RFC 7296, Section 3.3.1 wants steps of
// one in an offer; an answer has one proposal with the number of the offer.
func (r *reader) numbers(ps []Proposal, at int) {
	if len(ps) == 0 {
		r.bad(ErrCount, at)
	}
	var last uint8
	for _, p := range ps {
		if p.Number <= last {
			r.bad(ErrValue, at)
		}
		last = p.Number
	}
}

func (r *reader) proposal() Proposal {
	body := r.substruc(moreProposals)
	p := Proposal{Number: body.u8(), Protocol: Protocol(body.u8())}
	size, at := int(body.u8()), body.off
	n := int(body.u8())
	p.SPI = body.take(size)
	for len(body.b) > 0 && body.ok() {
		if len(p.Transforms) == MaxTransforms {
			body.bad(ErrTooMany, body.off)
			break
		}
		p.Transforms = append(p.Transforms, body.transform())
	}
	if n == 0 || n != len(p.Transforms) {
		body.bad(ErrCount, at)
	}
	return p
}

func (r *reader) transform() Transform {
	body := r.substruc(moreTransform)
	t := Transform{Type: TransformType(body.u8())}
	body.take(1)
	t.ID = body.u16()
	for len(body.b) > 0 && body.ok() {
		if len(t.Other) == MaxAttributes {
			body.bad(ErrTooMany, body.off)
			break
		}
		t.add(body.attribute())
	}
	return t
}

// add files a under KeyLen if it is the one good key length.
func (t *Transform) add(a Attribute) {
	if a.Type == AttrKeyLength && a.Short && t.KeyLen == 0 && len(t.Other) == 0 {
		if t.KeyLen = binary.BigEndian.Uint16(a.Value); t.KeyLen != 0 {
			return
		}
	}
	t.Other = append(t.Other, a)
}

const shortBit = 0x8000 // AF in RFC 7296, Section 3.3.5

func (r *reader) attribute() Attribute {
	t := r.u16()
	a := Attribute{Type: t &^ shortBit, Short: t&shortBit != 0}
	if a.Short {
		if a.Value = r.take(2); a.Value == nil {
			a.Value = []byte{0, 0}
		}
		return a
	}
	a.Value = r.take(int(r.u16()))
	return a
}

func (p *SA) appendBody(b []byte) ([]byte, error) {
	if len(p.Proposals) > MaxProposals {
		return b, ErrTooMany
	}
	var err error
	for i, q := range p.Proposals {
		more := byte(lastSubstruc)
		if i < len(p.Proposals)-1 {
			more = moreProposals
		}
		if b, err = q.append(b, more); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (p Proposal) append(b []byte, more byte) ([]byte, error) {
	if len(p.Transforms) > MaxTransforms {
		return b, ErrTooMany
	}
	if len(p.SPI) > 255 {
		return b, ErrTooLong
	}
	start := len(b)
	b = append(b, more, 0, 0, 0, p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms)))
	b = append(b, p.SPI...)
	var err error
	for i, t := range p.Transforms {
		more := byte(lastSubstruc)
		if i < len(p.Transforms)-1 {
			more = moreTransform
		}
		if b, err = t.append(b, more); err != nil {
			return b, err
		}
	}
	return b, putLen16(b, start)
}

func (t Transform) append(b []byte, more byte) ([]byte, error) {
	start := len(b)
	b = append(b, more, 0, 0, 0, byte(t.Type), 0)
	b = binary.BigEndian.AppendUint16(b, t.ID)
	if t.KeyLen != 0 {
		b = binary.BigEndian.AppendUint16(b, AttrKeyLength|shortBit)
		b = binary.BigEndian.AppendUint16(b, t.KeyLen)
	}
	for _, a := range t.Other {
		head := a.Type
		if a.Short {
			head |= shortBit
		}
		b = binary.BigEndian.AppendUint16(b, head)
		if !a.Short {
			if len(a.Value) > 65535 {
				return b, ErrTooLong
			}
			b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
		}
		b = append(b, a.Value...)
	}
	return b, putLen16(b, start)
}
