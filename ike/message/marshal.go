package message

import "encoding/binary"

const maxMessage = 65535 // a UDP datagram holds less, a reassembled message is never marshalled

// Marshal encodes m, computing the header's Next and Length. It encodes what it
// is given: a payload that Parse would refuse is the caller's choice, as long as
// its length fields can express it.
func (m *Message) Marshal() ([]byte, error) {
	h := m.Header
	h.Next = FirstType(m.Payloads)
	b, err := AppendPayloads(h.Append(make([]byte, 0, 512)), m.Payloads)
	if err != nil {
		return nil, err
	}
	if len(b) > maxMessage {
		return nil, &ParseError{PayloadNone, maxMessage, ErrTooLong}
	}
	binary.BigEndian.PutUint32(b[lengthOff:], uint32(len(b)))
	return b, nil
}

// FirstType is what announces ps in the header or SK payload before them.
func FirstType(ps []Payload) PayloadType {
	if len(ps) == 0 {
		return PayloadNone
	}
	return ps[0].Type()
}

// AppendPayloads adds the encoding of ps to b.
func AppendPayloads(b []byte, ps []Payload) ([]byte, error) {
	for i, p := range ps {
		next, rest := FirstType(ps[i+1:]), len(ps)-i-1
		switch p := p.(type) {
		case *Encrypted:
			next = p.Next
		case *EncryptedFragment:
			next = p.Next
		default:
			rest = 0
		}
		if rest > 0 { // nothing may follow an encrypted payload
			return nil, &ParseError{p.Type(), len(b), ErrTrailing}
		}
		var err error
		if b, err = appendPayload(b, p, next); err != nil {
			return nil, &ParseError{p.Type(), len(b), err}
		}
	}
	return b, nil
}

func appendPayload(b []byte, p Payload, next PayloadType) ([]byte, error) {
	start := len(b)
	var flags byte
	if u, ok := p.(*Unknown); ok && u.Critical {
		flags = criticalBit
	}
	b, err := p.appendBody(append(b, byte(next), flags, 0, 0))
	if err != nil {
		return b, err
	}
	return b, putLen16(b, start)
}

// putLen16 writes the length of the structure that began at start into its
// third and fourth octet, where IKE structures have it.
func putLen16(b []byte, start int) error {
	n := len(b) - start
	if n > 65535 {
		return ErrTooLong
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(n))
	return nil
}
