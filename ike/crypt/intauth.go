package crypt

import (
	"encoding/binary"
	"errors"

	"warren/ike/message"
)

var errNoSK = errors.New("ike/crypt: message has no SK payload")

// IntAuth is IntAuth_iN or IntAuth_rN after a further IKE_INTERMEDIATE message of
// the initiator, or else of the responder, before which it was previous (RFC
// 9242, Section 3.3.2). Raw is a datagram of the message, the first if it went in
// fragments, and p what was inside. K are the keys that protected it.
func (k Keys) IntAuth(initiator bool, previous, raw []byte, p Plain) ([]byte, error) {
	if err := k.usable(); err != nil {
		return nil, err
	}
	head, err := unfragmented(raw, p)
	if err != nil {
		return nil, err
	}
	key := k.m().pr
	if initiator {
		key = k.m().pi
	}
	return k.m().prf.Sum(key, previous, head, p.Data), nil
}

// unfragmented is what IntAuth_*A is made of: everything up to the end of the SK
// payload's generic header, as it would be were there one SK payload, and nothing
// in it but p.
func unfragmented(raw []byte, p Plain) ([]byte, error) {
	m, err := message.Parse(raw)
	if err != nil || len(m.Payloads) == 0 {
		return nil, errNoSK
	}
	end := 0
	switch e := m.Payloads[len(m.Payloads)-1].(type) {
	case *message.Encrypted:
		end = e.Offset
	case *message.EncryptedFragment:
		end = e.Offset - (skfHead - skHead)
	default:
		return nil, errNoSK
	}
	head := append([]byte(nil), raw[:end]...)
	announce := 16 // the Next Payload field of the IKE header
	for at := message.HeaderLen; at < end-skHead; {
		announce = at
		at += int(binary.BigEndian.Uint16(head[at+2:]))
	}
	head[announce] = byte(message.PayloadSK)
	head[end-skHead] = byte(p.Next)
	binary.BigEndian.PutUint16(head[end-2:], uint16(skHead+len(p.Data)))
	binary.BigEndian.PutUint32(head[24:], uint32(end+len(p.Data)))
	return head, nil
}
