package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"reflect"
	"unsafe"

	"golang.org/x/crypto/chacha20poly1305"

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

func (a *goAEAD) seal(jobs []job) int {
	j := &jobs[0]
	nonce, aad := a.nonceAndAAD(j)
	plain := j.esp[frontLen : len(j.esp)-icvLen]
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
	esn  bool
}

const (
	maxAADLen  = 12
	scratchLen = nonceLen + maxAADLen
)

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
