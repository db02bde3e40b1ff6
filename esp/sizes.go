package esp

import "crypto/aes"

const (
	saltLen  = 4
	ivLen    = 8 // of the AEADs
	align    = 4 // the ciphertext ends at a multiple (RFC 4303, Section 2.4)
	nonceLen = saltLen + ivLen

	trailerLen = 2 // pad length and next header
	frontLen   = HeaderLen + ivLen
	cbcFront   = HeaderLen + aes.BlockSize
)

// sizes are the lengths of what a suite puts around a packet.
type sizes struct {
	front uint8 // SPI, sequence number and IV
	icv   uint8
	align uint8 // of the ciphertext
}

func (s Suite) sizes() sizes {
	if s.Cipher.cbc() {
		return sizes{cbcFront, uint8(s.Integ.icvLen()), aes.BlockSize}
	}
	return sizes{frontLen, uint8(s.Cipher.spec().icv), align}
}

// padLen returns how many bytes of padding n bytes of plaintext need.
func (z sizes) padLen(n int) int { return -(n + trailerLen) & (int(z.align) - 1) }

// minLen is the length of the shortest ESP packet: a shorter one is a runt.
func (z sizes) minLen() int { return int(z.front) + int(z.align) + int(z.icv) }

// MinLen returns the length of the shortest ESP packet, from SPI to ICV.
func (s Suite) MinLen() int { return s.sizes().minLen() }

// IVLen returns the length of the explicit IV.
func (s Suite) IVLen() int { return int(s.sizes().front) - HeaderLen }

// ICVLen returns the length of the integrity check value.
func (s Suite) ICVLen() int { return int(s.sizes().icv) }

// BlockAlign returns what the length of the ciphertext is a multiple of.
func (s Suite) BlockAlign() int { return int(s.sizes().align) }

// SealedLen returns the length of the ESP packet, from SPI to ICV, that inner
// bytes of plaintext become.
func (s Suite) SealedLen(inner int) int {
	z := s.sizes()
	return int(z.front) + inner + z.padLen(inner) + trailerLen + int(z.icv)
}

// InnerMTU returns the largest plaintext whose ESP packet, from SPI to ICV, is
// no longer than avail; 0 where there is none.
func (s Suite) InnerMTU(avail int) int {
	z := s.sizes()
	ciphertext := (avail - int(z.front) - int(z.icv)) &^ (int(z.align) - 1)
	return max(ciphertext-trailerLen, 0)
}
