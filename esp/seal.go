package esp

import (
	"encoding/binary"
	"math"

	"warren/packet"
)

// A Sealer turns plaintext packets into the ESP packets of one outbound SA. Any
// number of goroutines may use it at a time.
type Sealer struct{ transform }

// NewSealer returns a Sealer for key, which is s.KeyLen() bytes long and ends
// in the salt. It keeps no reference to key.
func NewSealer(s Suite, key []byte) (*Sealer, error) {
	t, err := newTransform(s, key)
	if err != nil {
		return nil, err
	}
	return &Sealer{t}, nil
}

// Seal encapsulates the window of p in place (RFC 4303, Section 3.3): the inner
// IP packet in tunnel mode, the payload in transport mode. Afterwards the window
// is the ESP packet, from SPI to ICV. A p already refused stays as it is, one
// without room around it is marked NoRoom and keeps its bytes.
//
// seq is the sequence number and the IV. The caller uses none twice with a key
// (RFC 4106, Section 3.1) and none that is 0 or, without ESN, beyond 32 bits:
// those are marked SeqExhausted. Seal neither blocks nor allocates, and keeps no
// reference to p.
func (s *Sealer) Seal(p *packet.Packet, spi SPI, seq uint64, nextHeader uint8) {
	if p.Drop != packet.Live {
		return
	}
	if seq == 0 || !s.esn && seq > math.MaxUint32 {
		p.Drop = packet.SeqExhausted
		return
	}
	s.seal(p, spi, seq, seq, nextHeader)
}

// SealBatch seals the live packets of b as Seal does, numbering all of b seq,
// seq+1, ...: the caller has reserved len(b) numbers.
func (s *Sealer) SealBatch(b packet.Batch, spi SPI, seq uint64, nextHeader uint8) {
	for i, p := range b {
		s.Seal(p, spi, seq+uint64(i), nextHeader)
	}
}

// seal is Seal with an IV of its own, as test vectors have them.
func (s *Sealer) seal(p *packet.Packet, spi SPI, seq, iv uint64, nextHeader uint8) {
	pad := padLen(p.Len())
	tail := pad + trailerLen + icvLen
	if p.Headroom() < frontLen || p.Tailroom() < tail {
		p.Drop = packet.NoRoom
		return
	}
	putTrailer(p.Append(tail), pad, nextHeader)
	front := p.Prepend(frontLen)
	binary.BigEndian.PutUint32(front[spiOff:], uint32(spi))
	binary.BigEndian.PutUint32(front[seqOff:], uint32(seq))
	binary.BigEndian.PutUint64(front[HeaderLen:], iv)

	b := p.Bytes()
	nonce, aad := s.nonceAndAAD(&p.Scratch, b, seq)
	plain := b[frontLen : len(b)-icvLen]
	s.aead.Seal(plain[:0], nonce, plain, aad) // the ICV lands behind plain, in b
}

// putTrailer writes padding 1, 2, 3, ..., its length and the next header
// (RFC 4303, Section 2.4).
func putTrailer(b []byte, pad int, nextHeader uint8) {
	for i := range pad {
		b[i] = byte(i + 1)
	}
	b[pad], b[pad+1] = byte(pad), nextHeader
}
