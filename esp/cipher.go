package esp

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// Cipher is an encryption transform. The zero value is none.
type Cipher uint8

const (
	AES128GCM16      Cipher = iota + 1 // RFC 4106
	AES192GCM16                        // RFC 4106
	AES256GCM16                        // RFC 4106
	ChaCha20Poly1305                   // RFC 7634
	AES128GCM12                        // RFC 4106
	AES192GCM12                        // RFC 4106
	AES256GCM12                        // RFC 4106
	AES128GCM8                         // RFC 4106
	AES192GCM8                         // RFC 4106
	AES256GCM8                         // RFC 4106
	AES128CBC                          // RFC 3602
	AES192CBC                          // RFC 3602
	AES256CBC                          // RFC 3602
)

// A cipherSpec is what there is to know of a Cipher.
type cipherSpec struct {
	name string
	key  int // its length, without a salt; 0 for what is no cipher
	icv  int // of an AEAD; 0 where an Integ makes it
}

func (c Cipher) spec() cipherSpec {
	switch c {
	case AES128GCM16:
		return cipherSpec{"aes128gcm16", 16, 16}
	case AES192GCM16:
		return cipherSpec{"aes192gcm16", 24, 16}
	case AES256GCM16:
		return cipherSpec{"aes256gcm16", 32, 16}
	case ChaCha20Poly1305:
		return cipherSpec{"chacha20poly1305", 32, 16}
	case AES128GCM12:
		return cipherSpec{"aes128gcm12", 16, 12}
	case AES192GCM12:
		return cipherSpec{"aes192gcm12", 24, 12}
	case AES256GCM12:
		return cipherSpec{"aes256gcm12", 32, 12}
	case AES128GCM8:
		return cipherSpec{"aes128gcm8", 16, 8}
	case AES192GCM8:
		return cipherSpec{"aes192gcm8", 24, 8}
	case AES256GCM8:
		return cipherSpec{"aes256gcm8", 32, 8}
	case AES128CBC:
		return cipherSpec{"aes128", 16, 0}
	case AES192CBC:
		return cipherSpec{"aes192", 24, 0}
	case AES256CBC:
		return cipherSpec{"aes256", 32, 0}
	}
	return cipherSpec{"none", 0, 0}
}

// String returns the transform's name in proposals, such as "aes128gcm16".
func (c Cipher) String() string { return c.spec().name }

// cbc reports whether c needs an Integ beside it.
func (c Cipher) cbc() bool { return c >= AES128CBC && c <= AES256CBC }

// Integ is the integrity transform beside a cipher that is no AEAD: an HMAC with
// a key as long as its output, which is cut to half (RFC 4868, Section 2). The
// zero value is none.
type Integ uint8

const (
	HMACSHA256 Integ = iota + 1 // HMAC-SHA-256-128
	HMACSHA384                  // HMAC-SHA-384-192
	HMACSHA512                  // HMAC-SHA-512-256
)

// String returns the transform's name in proposals, such as "sha256".
func (i Integ) String() string {
	switch i {
	case HMACSHA256:
		return "sha256"
	case HMACSHA384:
		return "sha384"
	case HMACSHA512:
		return "sha512"
	}
	return "none"
}

func (i Integ) hash() func() hash.Hash {
	switch i {
	case HMACSHA384:
		return sha512.New384
	case HMACSHA512:
		return sha512.New
	}
	return sha256.New
}

// keyLen is 0 for what is no transform.
func (i Integ) keyLen() int {
	switch i {
	case HMACSHA256:
		return sha256.Size
	case HMACSHA384:
		return sha512.Size384
	case HMACSHA512:
		return sha512.Size
	}
	return 0
}

func (i Integ) icvLen() int { return i.keyLen() / 2 }
