package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"reflect"
	"unsafe"

	"golang.org/x/crypto/chacha20poly1305"

	"warren/gcm8"
	"warren/packet"
)

// A goAEAD is a transform by the standard library or x/crypto. Those keep no
// state between calls.
type goAEAD struct {
	aeadSalt
	aead cipher.AEAD
}

func (a *goAEAD) keys() []byte {
	v := reflect.ValueOf(a.aead)
	if v.Kind() != reflect.Pointer {
		return nil
	}
	return unsafe.Slice((*byte)(v.UnsafePointer()), v.Elem().Type().Size())
}

// newCombined makes the transform of an AEAD, a combined mode algorithm (RFC 4303, Section 3.3.2.2).
func newCombined(s Suite, key []byte) (transform, error) {
	n := s.Cipher.spec().key
	salt := aeadSalt{salt: [saltLen]byte(key[n:]), icv: s.Cipher.spec().icv, esn: s.ESN}
	if s.Cipher != ChaCha20Poly1305 {
		if t := newBackendGCM(key[:n], salt); t != nil {
			return t, nil
		}
	}
	aead, err := newAEAD(s.Cipher, key[:n])
	if err != nil {
		return nil, err
	}
	return &goAEAD{aeadSalt: salt, aead: aead}, nil
}

func newAEAD(c Cipher, key []byte) (cipher.AEAD, error) {
	if c == ChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if icv := c.spec().icv; icv != gcm8.TagSize {
		return cipher.NewGCMWithTagSize(block, icv)
	}
	return gcm8.New(block)
}

func (a *goAEAD) seal(jobs []job) int {
	j := &jobs[0]
	nonce, aad := a.nonceAndAAD(j)
	plain := j.esp[frontLen : len(j.esp)-a.icv]
	a.aead.Seal(plain[:0], nonce, plain, aad) // the ICV lands behind plain, in esp
	return 1
}

func (a *goAEAD) open(jobs []job) int {
	j := &jobs[0]
	nonce, aad := a.nonceAndAAD(j)
	sealed := j.esp[frontLen:]
	if _, err := a.aead.Open(sealed[:0], nonce, sealed, aad); err != nil {
		j.packet.Drop = packet.AuthFailed
	}
	return 1
}

// aeadSalt is what all AEADs of ESP have in common but for the key.
type aeadSalt struct {
	salt [saltLen]byte
	icv  int // its length
	esn  bool
}

const (
	maxAADLen  = 12
	scratchLen = nonceLen + maxAADLen
)

func (a *aeadSalt) touch() uint64 { return uint64(a.icv) }

// nonceAndAAD builds both in the scratch area of j, in whose packet SPI,
// sequence number and IV are in place: nonce = salt, IV (RFC 4106, Section 4,
// RFC 7634, Section 2), AAD = SPI, sequence number, 4 or with ESN 8 bytes of it
// (RFC 4106, Section 5).
func (a *aeadSalt) nonceAndAAD(j *job) (nonce, aad []byte) {
	nonce, aad = j.scratch[:nonceLen:nonceLen], j.scratch[nonceLen:]
	front := (*[frontLen]byte)(j.esp)
	*(*[saltLen]byte)(nonce) = a.salt
	*(*[ivLen]byte)(nonce[saltLen:]) = [ivLen]byte(front[HeaderLen:])
	if !a.esn {
		*(*[HeaderLen]byte)(aad) = [HeaderLen]byte(front[:])
		return nonce, aad[:HeaderLen]
	}
	*(*[seqOff]byte)(aad) = [seqOff]byte(front[:])
	binary.BigEndian.PutUint64(aad[seqOff:], j.seq)
	return nonce, aad
}
