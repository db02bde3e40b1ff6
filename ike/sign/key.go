package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
)

// Bounds of RSA keys. Below them they can be broken (RFC 8247, Section 3.1;
// CVE-2018-16151 for the exponent), above they cost whoever checks them more
// than a peer without a name may.
const (
	MinRSABits     = 2048
	MaxRSABits     = 8192
	MinRSAExponent = 65537
)

// ErrKey means that a public key is of no use here.
var ErrKey = errors.New("sign: key is not accepted")

// CheckKey reports why signatures of pub are not accepted, nil if they are.
func CheckKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		switch bits := k.N.BitLen(); {
		case bits < MinRSABits || bits > MaxRSABits:
			return fmt.Errorf("%w: RSA with %d bits, %d to %d are wanted", ErrKey, bits, MinRSABits, MaxRSABits)
		case k.E < MinRSAExponent || k.E%2 == 0:
			return fmt.Errorf("%w: RSA with exponent %d, an odd one from %d on is wanted", ErrKey, k.E, MinRSAExponent)
		}
		return nil
	case *ecdsa.PublicKey:
		if hashOf(k.Curve) == 0 {
			return fmt.Errorf("%w: ECDSA on %s, P-256, P-384 or P-521 is wanted", ErrKey, k.Curve.Params().Name)
		}
		return nil
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: Ed25519 with %d octets", ErrKey, len(k))
		}
		return nil
	case nil:
		return fmt.Errorf("%w: RSA, ECDSA or Ed25519 is wanted", ErrKey)
	}
	return fmt.Errorf("%w: it is a %T; RSA, ECDSA or Ed25519 is wanted", ErrKey, pub)
}

// hashOf is the hash that is as strong as a curve, 0 where the curve is not
// accepted.
func hashOf(c elliptic.Curve) Hash {
	switch c {
	case elliptic.P256():
		return SHA256
	case elliptic.P384():
		return SHA384
	case elliptic.P521():
		return SHA512
	}
	return 0
}

// KeyName names the kind of pub, such as "RSA-3072".
func KeyName(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA-" + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", pub)
}
