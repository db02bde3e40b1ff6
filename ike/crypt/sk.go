package crypt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"warren/ike/message"
)

// ErrAuth means that a message is not from the peer, or not as the peer sent it:
// it is dropped and changes nothing.
var ErrAuth = errors.New("ike/crypt: integrity check failed")

// ErrNotProtected means that a message has no SK or SKF payload to open.
var ErrNotProtected = errors.New("ike/crypt: message is not protected")

// An SK protects the messages of one IKE SA for one of its ends. It is not for
// concurrent use.
type SK struct {
	redacted
	keys    Keys
	out, in guard
}

// NewSK makes the SK of the original initiator of the IKE SA, or else of its
// responder. There must be only one for each end: it counts the IVs.
func NewSK(k Keys, initiator bool) (*SK, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	m := k.m()
	i, err := newGuard(m.choice, m.ei, m.ai)
	if err != nil {
		return nil, err
	}
	r, err := newGuard(m.choice, m.er, m.ar)
	if err != nil {
		return nil, err
	}
	if initiator {
		return &SK{keys: k, out: i, in: r}, nil
	}
	return &SK{keys: k, out: r, in: i}, nil
}

const (
	skHead  = 4 // the generic header of an SK payload
	skfHead = 8 // that of an SKF payload with Fragment Number and Total Fragments
	padLen  = 1 // Pad Length follows payloads and padding
	maxSize = 65535
)

// Seal makes a datagram of header h and one SK payload with ps inside. Sending
// it again means sending the same bytes again, not sealing again.
func (s *SK) Seal(h message.Header, ps []message.Payload) ([]byte, error) {
	p, err := PlainOf(ps)
	if err != nil {
		return nil, err
	}
	return s.seal(h, piece{first: p.Next, data: p.Data})
}

// A piece is what goes into one datagram: all payloads of a message, or, where
// total is not 0, a fragment of them (RFC 7383, Section 2.5).
type piece struct {
	first         message.PayloadType // of the payloads; none but in the first fragment
	number, total uint16
	data          []byte
}

// pad appends zero padding and its length.
func (g guardSizes) pad(data []byte) []byte {
	n := g.padding(len(data))
	return append(append(data[:len(data):len(data)], make([]byte, n)...), byte(n))
}

func (s *SK) seal(h message.Header, p piece) ([]byte, error) {
	g := s.out.sizes()
	p.data = g.pad(p.data)
	return s.sealPadded(h, p)
}

// sealPadded protects a piece that ends with padding and Pad Length.
func (s *SK) sealPadded(h message.Header, p piece) ([]byte, error) {
	if err := s.keys.usable(); err != nil {
		return nil, err
	}
	g, head := s.out.sizes(), skHead
	h.Next = message.PayloadSK
	if p.total > 0 {
		h.Next, head = message.PayloadSKF, skfHead
	}
	size := message.HeaderLen + head + g.iv + len(p.data) + g.icv
	if size > maxSize {
		return nil, fmt.Errorf("ike/crypt: message of %d octets: %w", size, message.ErrTooLong)
	}
	h.Length = uint32(size)
	b := h.Append(make([]byte, 0, size+2*g.icv)) // an HMAC is cut to its ICV
	b = append(b, byte(p.first), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size-message.HeaderLen))
	if p.total > 0 {
		b = binary.BigEndian.AppendUint16(b, p.number)
		b = binary.BigEndian.AppendUint16(b, p.total)
	}
	at := len(b)
	b, err := s.out.nextIV(b)
	if err != nil {
		return nil, fmt.Errorf("ike/crypt: %w", err)
	}
	return s.out.seal(b, at, p.data), nil
}

// Open checks and decrypts the SK payload of a message that message.Parse made,
// leaving its Raw as it is. With ErrAuth the message is to be dropped; a
// *message.ParseError is about an authentic message with malformed contents.
// Payloads beside SK are covered by the check but not returned.
func (s *SK) Open(m *message.Message) ([]message.Payload, error) {
	p, err := s.OpenPlain(m)
	if err != nil {
		return nil, err
	}
	return message.ParsePayloads(p.Next, p.Data)
}

// A Plain is what was inside the SK payload of a message: payloads, the first of
// which is of type Next, before they are parsed.
type Plain struct {
	Next message.PayloadType
	Data []byte
}

// PlainOf is what ps are inside an SK payload.
func PlainOf(ps []message.Payload) (Plain, error) {
	data, err := message.AppendPayloads(nil, ps)
	return Plain{message.FirstType(ps), data}, err
}

// OpenPlain is Open without the parsing.
func (s *SK) OpenPlain(m *message.Message) (Plain, error) {
	e, ok := message.Get[*message.Encrypted](m.Payloads)
	if !ok {
		return Plain{}, ErrNotProtected
	}
	data, err := s.open(m.Raw, e.Offset)
	return Plain{e.Next, data}, err
}

// open returns what is before the padding of a message whose encrypted part
// begins at at.
func (s *SK) open(raw []byte, at int) ([]byte, error) {
	if err := s.keys.usable(); err != nil {
		return nil, err
	}
	if at > len(raw) {
		return nil, ErrAuth
	}
	plain, ok := s.in.open(raw, at)
	if !ok {
		return nil, ErrAuth
	}
	n := len(plain) - padLen
	if n < 0 || int(plain[n]) > n {
		icv := s.in.sizes().icv
		return nil, &message.ParseError{Payload: message.PayloadSK, Offset: len(raw) - icv - padLen, Err: message.ErrLength}
	}
	return plain[:n-int(plain[n])], nil
}
