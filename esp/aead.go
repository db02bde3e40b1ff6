package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"warren/packet"
)

// A transform is an AEAD with the salt of one SA. It is immutable, and the
// AEADs it holds keep no state between calls, so goroutines may share it. Nonce
// and associated data are built in the scratch area of the packet at hand: on
// the stack they would be moved to the heap, and in the transform they would be
// shared.
type transform struct {
	aead cipher.AEAD
	salt [saltLen]byte
	esn  bool
}

func newTransform(s Suite, key []byte) (transform, error) {
	if s.KeyLen() == 0 {
		return transform{}, fmt.Errorf("esp: no cipher in the suite")
	}
	if len(key) != s.KeyLen() {
		return transform{}, fmt.Errorf("esp: %v wants %d bytes of key and salt, got %d", s, s.KeyLen(), len(key))
	}
	n := s.Cipher.keyLen()
	aead, err := newAEAD(s.Cipher, key[:n])
	if err != nil {
		return transform{}, fmt.Errorf("esp: %v: %w", s, err)
	}
	return transform{aead: aead, salt: [saltLen]byte(key[n:]), esn: s.ESN}, nil
}

func newAEAD(c Cipher, key []byte) (cipher.AEAD, error) {
	if c == ChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonceAndAAD builds both for the ESP packet b, whose SPI, sequence number and
// IV are in place: nonce = salt, IV (RFC 4106, Section 4, RFC 7634, Section 2),
// AAD = SPI, sequence number, 4 or with ESN 8 bytes of it (RFC 4106, Section 5).
func (t *transform) nonceAndAAD(scratch *[packet.ScratchLen]byte, b []byte, seq uint64) (nonce, aad []byte) {
	nonce = append(scratch[:0:nonceLen], t.salt[:]...)
	nonce = append(nonce, b[HeaderLen:frontLen]...)
	aad = append(scratch[nonceLen:nonceLen], b[:seqOff]...)
	if t.esn {
		aad = binary.BigEndian.AppendUint32(aad, uint32(seq>>32))
	}
	return nonce, append(aad, b[seqOff:HeaderLen]...)
}
