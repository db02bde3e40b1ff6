package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"warren/ike/message"
)

// ErrVerify means that a signature does not prove what it should.
var ErrVerify = errors.New("sign: the signature is wrong")

// ErrMethod means that an AUTH payload is of a method, or of an algorithm, that
// is not accepted or that the key cannot have.
var ErrMethod = errors.New("sign: authentication method is not accepted")

// Verify checks that a is a signature of octets by the owner of pub. Only nil
// means that it is.
func Verify(pub crypto.PublicKey, a *message.Auth, octets []byte) error {
	if err := CheckKey(pub); err != nil {
		return err
	}
	switch a.Method {
	case message.AuthSignature:
		return verifyNew(pub, a.Data, octets)
	case message.AuthRSA:
		return verifyOldRSA(pub, a.Data, octets)
	case message.AuthECDSA256, message.AuthECDSA384, message.AuthECDSA521:
		return verifyOldECDSA(pub, a, octets)
	}
	return fmt.Errorf("%w: %v is no signature", ErrMethod, a.Method)
}

// verifyNew checks the data of RFC 7427, Section 3: the length of an
// AlgorithmIdentifier, that, and the signature.
func verifyNew(pub crypto.PublicKey, data, octets []byte) error {
	if len(data) == 0 || len(data)-1 < int(data[0]) {
		return fmt.Errorf("%w: it is too short for its algorithm identifier", ErrVerify)
	}
	n := 1 + int(data[0])
	a, ok := lookUp(data[1:n])
	if !ok {
		return fmt.Errorf("%w: signature algorithm %x is unknown, or too weak", ErrMethod, data[1:n])
	}
	return a.verify(pub, data[n:], octets)
}

func (a algorithm) verify(pub crypto.PublicKey, sig, octets []byte) error {
	ok := false
	digest := a.hash.Sum(octets)
	switch k := pub.(type) {
	case *rsa.PublicKey:
		switch a.kind {
		case kindRSA:
			ok = rsa.VerifyPKCS1v15(k, a.hash.crypto(), digest, sig) == nil
		case kindPSS:
			opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			ok = rsa.VerifyPSS(k, a.hash.crypto(), digest, sig, opts) == nil
		default:
			return a.mismatch(pub)
		}
	case *ecdsa.PublicKey:
		if a.kind != kindECDSA {
			return a.mismatch(pub)
		}
		ok = ecdsa.VerifyASN1(k, digest, sig)
	case ed25519.PublicKey:
		if a.kind != kindEd25519 {
			return a.mismatch(pub)
		}
		ok = len(sig) == ed25519.SignatureSize && ed25519.Verify(k, digest, sig)
	}
	if !ok {
		return ErrVerify
	}
	return nil
}

func (a algorithm) mismatch(pub crypto.PublicKey) error {
	return fmt.Errorf("%w: %v with a key that is %s", ErrMethod, a, KeyName(pub))
}

// verifyOldRSA checks a PKCS #1 signature that does not say its hash (RFC 7296,
// Section 3.8).
func verifyOldRSA(pub crypto.PublicKey, sig, octets []byte) error {
	k, ok := pub.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: %v with a key that is %s", ErrMethod, message.AuthRSA, KeyName(pub))
	}
	for _, h := range []Hash{SHA256, SHA384, SHA512} {
		if (algorithm{kindRSA, h}).verify(k, sig, octets) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w, or it is made with SHA-1, which is not accepted", ErrVerify)
}

// verifyOldECDSA checks r and s, each as long as the order of the curve (RFC
// 4754, Section 7).
func verifyOldECDSA(pub crypto.PublicKey, a *message.Auth, octets []byte) error {
	k, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: %v with a key that is %s", ErrMethod, a.Method, KeyName(pub))
	}
	method, hash := oldECDSA(k)
	if method != a.Method {
		return fmt.Errorf("%w: %v with a key that is %s", ErrMethod, a.Method, KeyName(pub))
	}
	size := (k.Curve.Params().BitSize + 7) / 8
	if len(a.Data) != 2*size {
		return ErrVerify
	}
	r, s := new(big.Int).SetBytes(a.Data[:size]), new(big.Int).SetBytes(a.Data[size:])
	if !ecdsa.Verify(k, hash.Sum(octets), r, s) {
		return ErrVerify
	}
	return nil
}
