package esp

import "warren/packet"

// DummyNextHeader marks a packet that carries nothing and is to be dropped
// without further notice (RFC 4303, Section 2.6).
const DummyNextHeader = packet.ProtoNone

// An Opener turns ESP packets of one inbound SA back into plaintext packets. Any
// number of goroutines may use it at a time.
type Opener struct {
	transform transform
	keys      []byte
	sizes     sizes
}

// NewOpener returns an Opener for key, the keying material of s, s.KeyLen() bytes
// of it. It keeps no reference to key.
func NewOpener(s Suite, key []byte) (*Opener, error) {
	t, err := newTransform(s, key)
	if err != nil {
		return nil, err
	}
	return &Opener{t, t.keys(), s.sizes()}, nil
}

// MinLen is the length of the shortest ESP packet: a shorter one is a runt.
func (o *Opener) MinLen() int { return o.sizes.minLen() }

// Touch is [Sealer.Touch] for an Opener.
func (o *Opener) Touch() (sum uint64) { return touch(o.keys) + o.transform.touch() }

// Add puts the window of p, an ESP packet from SPI to ICV, among what b.Run
// decrypts in place (RFC 4303, Section 3.4); after that, Finish decapsulates
// it. seq is the whole sequence number, which the caller found with
// Window.Expand and has checked against the window; only what Finish accepts may
// be committed.
//
// A p already refused stays as it is, one that is too short is marked Runt. Add
// neither blocks nor allocates, and runs b first where it is full.
func (o *Opener) Add(b *OpenBurst, p *packet.Packet, seq uint64) {
	o.AddRun(b, packet.Batch{p}, []uint64{seq})
}

// AddRun is Add of each packet of run with its number in seqs, which is as long.
func (o *Opener) AddRun(b *OpenBurst, run packet.Batch, seqs []uint64) {
	least := o.MinLen()
	for i, p := range run {
		switch {
		case p.Drop != packet.Live:
			continue
		case p.Len() < least:
			p.Drop = packet.Runt
			continue
		case b.full():
			b.Run()
		}
		b.add(o.transform, p, seqs[i])
	}
}

// Finish makes the plaintext without padding and trailer the window of p, which
// was added to a burst that has run.
//
// Where it reports false, p.Drop says why (AuthFailed or BadPadding, or what
// refused it before) and the bytes are void. It is the caller's to judge
// nextHeader, also to discard dummy packets, and to see that a tunnel carries an
// IP packet: all Finish promises is that the sender of the SA sent these bytes.
func (o *Opener) Finish(p *packet.Packet) (nextHeader uint8, ok bool) {
	if p.Drop != packet.Live {
		return 0, false
	}
	b := p.Bytes()
	front, icv := int(o.sizes.front), int(o.sizes.icv)
	nextHeader, trail, ok := parseTrailer(b[front : len(b)-icv])
	if !ok {
		p.Drop = packet.BadPadding
		return 0, false
	}
	p.Narrow(front, icv+trail)
	return nextHeader, true
}

// parseTrailer returns the next header at the end of plain and the length of
// padding and trailer. It reports false where the padding is longer than the
// rest of plain, or is not 1, 2, 3, ..., which with these transforms every
// sender uses and a receiver should check (RFC 4303, Section 2.4).
func parseTrailer(plain []byte) (nextHeader uint8, trail int, ok bool) {
	n := len(plain) - trailerLen
	if n < 0 {
		return 0, 0, false
	}
	pad := int(plain[n])
	if pad > n {
		return 0, 0, false
	}
	for i, v := range plain[n-pad : n] {
		if v != byte(i+1) {
			return 0, 0, false
		}
	}
	return plain[n+1], pad + trailerLen, true
}
