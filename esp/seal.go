package esp

import (
	"encoding/binary"
	"math"

	"warren/packet"
)

// A Sealer turns plaintext packets into the ESP packets of one outbound SA. Any
// number of goroutines may use it at a time.
type Sealer struct {
	transform transform
	keys      []byte
	sizes     sizes
	esn       bool
}

// NewSealer returns a Sealer for key, the keying material of s, s.KeyLen() bytes
// of it. It keeps no reference to key.
func NewSealer(s Suite, key []byte) (*Sealer, error) {
	t, err := newTransform(s, key)
	if err != nil {
		return nil, err
	}
	return &Sealer{t, t.keys(), s.sizes(), s.ESN}, nil
}

// Touch brings the keys into the processor's cache. Where packets of many SAs are
// at hand, touching all of them before the first is added lets the processor wait
// for their memory at once. The sum means nothing.
func (s *Sealer) Touch() (sum uint64) { return touch(s.keys) + s.transform.touch() }

// Add encapsulates the window of p in place (RFC 4303, Section 3.3): the inner
// IP packet in tunnel mode, the payload in transport mode. Afterwards the window
// is the ESP packet, from SPI to ICV, which b.Run encrypts; more headers may be
// put before it, and more layers around it, already now. A p already refused
// stays as it is, one without room around it is marked NoRoom and keeps its
// bytes.
//
// seq is the sequence number, and what the IV is made of. The caller uses none
// twice with a key (RFC 4106, Section 3.1) and none that is 0 or, without ESN, beyond 32 bits:
// those are marked SeqExhausted. Add neither blocks nor allocates, and runs b
// first where it is full.
func (s *Sealer) Add(b *SealBurst, p *packet.Packet, spi SPI, seq uint64, nextHeader uint8) {
	if p.Drop != packet.Live {
		return
	}
	if seq == 0 || !s.esn && seq > math.MaxUint32 {
		p.Drop = packet.SeqExhausted
		return
	}
	s.add(b, p, header{spi, seq, seq}, nextHeader)
}

// A header is what is in front of the ciphertext. With AES-CBC the IV is the
// transform's to make.
type header struct {
	spi     SPI
	seq, iv uint64
}

// add is Add with an IV of its own, as test vectors have them.
func (s *Sealer) add(burst *SealBurst, p *packet.Packet, h header, nextHeader uint8) {
	z := s.sizes
	pad := z.padLen(p.Len())
	back := pad + trailerLen + int(z.icv)
	if !p.Grow(int(z.front), back) {
		p.Drop = packet.NoRoom
		return
	}
	b := p.Bytes()
	putTrailer(b[len(b)-back:], pad, nextHeader)
	front := b[:frontLen]
	binary.BigEndian.PutUint64(front, uint64(h.spi)<<32|h.seq&math.MaxUint32)
	binary.BigEndian.PutUint64(front[HeaderLen:], h.iv)
	if burst.full() {
		burst.Run()
	}
	burst.add(s.transform, p, h.seq)
}

// putTrailer writes padding 1, 2, 3, ..., its length and the next header
// (RFC 4303, Section 2.4).
func putTrailer(b []byte, pad int, nextHeader uint8) {
	for i := range pad {
		b[i] = byte(i + 1)
	}
	b[pad], b[pad+1] = byte(pad), nextHeader
}
