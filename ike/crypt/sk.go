package crypt

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"warren/ike/message"
)

// ErrAuth means that a message is not from the peer, or not as the peer sent it:
// it is dropped and changes nothing.
var ErrAuth = errors.New("ike/crypt: integrity check failed")

// ErrNotProtected means that a message has no SK payload to open.
var ErrNotProtected = errors.New("ike/crypt: message is not protected")

// An SK protects the messages of one IKE SA for one of its ends, as RFC 5282
// tells it for AEADs. It is not for concurrent use.
type SK struct {
	redacted
	keys    Keys
	out, in direction
	iv      uint64 // of the next message sent: a counter, so that none comes twice
}

type direction struct {
	aead cipher.AEAD
	salt [saltLen]byte
}

// NewSK makes the SK of the original initiator of the IKE SA, or else of its
// responder. There must be only one for each end: it counts the IVs.
func NewSK(k Keys, initiator bool) (*SK, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	i, err := newDirection(k.m().choice.Encr, k.m().ei)
	if err != nil {
		return nil, err
	}
	r, err := newDirection(k.m().choice.Encr, k.m().er)
	if err != nil {
		return nil, err
	}
	if initiator {
		return &SK{keys: k, out: i, in: r}, nil
	}
	return &SK{keys: k, out: r, in: i}, nil
}

func newDirection(e Encr, keymat Secret) (d direction, err error) {
	var salt []byte
	d.aead, salt, err = e.aead(keymat)
	copy(d.salt[:], salt)
	return d, err
}

func (d direction) nonce(iv []byte) []byte {
	return append(d.salt[:len(d.salt):len(d.salt)], iv...)
}

// skHead is the generic header of an SK payload; Pad Length follows the payloads.
const (
	skHead  = 4
	padLen  = 1
	maxSize = 65535
)

// Seal makes a datagram of header h and one SK payload with ps inside. Sending
// it again means sending the same bytes again, not sealing again.
func (s *SK) Seal(h message.Header, ps []message.Payload) ([]byte, error) {
	plain, err := message.AppendPayloads(nil, ps)
	if err != nil {
		return nil, err
	}
	return s.seal(h, message.FirstType(ps), append(plain, 0)) // no padding, Pad Length 0
}

// seal protects plain, which ends with padding and Pad Length.
func (s *SK) seal(h message.Header, first message.PayloadType, plain []byte) ([]byte, error) {
	if err := s.keys.usable(); err != nil {
		return nil, err
	}
	size := message.HeaderLen + skHead + ivLen + len(plain) + icvLen
	if size > maxSize {
		return nil, fmt.Errorf("ike/crypt: message of %d octets: %w", size, message.ErrTooLong)
	}
	h.Next, h.Length = message.PayloadSK, uint32(size)
	b := h.Append(make([]byte, 0, size))
	b = append(b, byte(first), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size-message.HeaderLen))
	aad := len(b)
	b = binary.BigEndian.AppendUint64(b, s.iv)
	s.iv++
	return s.out.aead.Seal(b, s.out.nonce(b[aad:]), plain, b[:aad]), nil
}

// Open checks and decrypts the SK payload of a message that message.Parse made,
// leaving its Raw as it is. With ErrAuth the message is to be dropped; a
// *message.ParseError is about an authentic message with malformed contents.
// Payloads beside SK are covered by the check but not returned.
func (s *SK) Open(m *message.Message) ([]message.Payload, error) {
	e, ok := message.Get[*message.Encrypted](m.Payloads)
	if !ok {
		return nil, ErrNotProtected
	}
	plain, err := s.open(m.Raw, e.Offset, e.Data)
	if err != nil {
		return nil, err
	}
	return message.ParsePayloads(e.Next, plain)
}

// open returns what is before the padding. The associated data ends where the
// encrypted data begins (RFC 5282, Section 5.1).
func (s *SK) open(raw []byte, aad int, data []byte) ([]byte, error) {
	if err := s.keys.usable(); err != nil {
		return nil, err
	}
	if len(data) < ivLen+padLen+icvLen || aad > len(raw) {
		return nil, ErrAuth
	}
	plain, err := s.in.aead.Open(nil, s.in.nonce(data[:ivLen]), data[ivLen:], raw[:aad])
	if err != nil {
		return nil, ErrAuth
	}
	n := len(plain) - padLen
	pad := int(plain[n])
	if pad > n {
		return nil, &message.ParseError{Payload: message.PayloadSK, Offset: len(raw) - icvLen - padLen, Err: message.ErrLength}
	}
	return plain[:n-pad], nil
}
