package crypt

import (
	"errors"
	"fmt"

	"warren/ike/message"
)

// ErrFragmentSize means that a fragment of the size asked for would hold nothing.
var ErrFragmentSize = errors.New("ike/crypt: fragment size leaves no room for payloads")

// A Fragment is what was inside an SKF payload (RFC 7383, Section 2.5).
type Fragment struct {
	Number, Total uint16
	Plain
}

// SealFragments makes the datagrams of a message with p inside: one with an SK
// payload if that has at most size octets, else fragments that do (RFC 7383,
// Section 2.5). Size 0 means any.
func (s *SK) SealFragments(h message.Header, p Plain, size int) ([][]byte, error) {
	g := s.out.sizes()
	if size == 0 || message.HeaderLen+skHead+g.sealed(len(p.Data)) <= size {
		b, err := s.seal(h, piece{first: p.Next, data: p.Data})
		return [][]byte{b}, err
	}
	room := g.fits(size - message.HeaderLen - skfHead)
	if room < 1 {
		return nil, fmt.Errorf("%w: %d octets", ErrFragmentSize, size)
	}
	total := max((len(p.Data)+room-1)/room, 1)
	if len(p.Data) > maxSize || total > maxSize {
		return nil, fmt.Errorf("ike/crypt: message of %d octets: %w", len(p.Data), message.ErrTooLong)
	}
	return s.fragments(h, piece{first: p.Next, total: uint16(total), data: p.Data}, room)
}

// fragments cuts all into pieces of at most room octets.
func (s *SK) fragments(h message.Header, all piece, room int) ([][]byte, error) {
	out := make([][]byte, 0, all.total)
	for i := range all.total {
		p := piece{first: all.first, number: i + 1, total: all.total, data: all.data[:min(room, len(all.data))]}
		all.first, all.data = message.PayloadNone, all.data[len(p.data):]
		b, err := s.seal(h, p)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// OpenFragment checks and decrypts the SKF payload of a message that
// message.Parse made. Its errors are those of Open.
func (s *SK) OpenFragment(m *message.Message) (Fragment, error) {
	f, ok := message.Get[*message.EncryptedFragment](m.Payloads)
	if !ok {
		return Fragment{}, ErrNotProtected
	}
	data, err := s.open(m.Raw, f.Offset)
	return Fragment{f.Number, f.Total, Plain{f.Next, data}}, err
}
