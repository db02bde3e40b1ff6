package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"warren/ike/message"
)

// Sign signs octets for a peer that announced hashes (RFC 7427, Section 3). If
// it announced none, the method is one of those before RFC 7427.
func Sign(rand io.Reader, key crypto.Signer, hashes []Hash, octets []byte) (*message.Auth, error) {
	if err := CheckKey(key.Public()); err != nil {
		return nil, err
	}
	if len(hashes) == 0 {
		return signOld(rand, key, octets)
	}
	a, err := choose(key.Public(), hashes)
	if err != nil {
		return nil, err
	}
	sig, err := a.sign(rand, key, octets)
	if err != nil {
		return nil, err
	}
	id := a.identifiers()[0]
	data := append([]byte{byte(len(id))}, id...)
	return &message.Auth{Method: message.AuthSignature, Data: append(data, sig...)}, nil
}

// choose takes the hash that fits the key best among those that the peer knows.
func choose(pub crypto.PublicKey, hashes []Hash) (algorithm, error) {
	var kind keyKind
	want := []Hash{SHA256, SHA384, SHA512}
	switch k := pub.(type) {
	case *rsa.PublicKey:
		kind = kindPSS // RFC 8247, Section 3.2: PSS is what all must know
	case *ecdsa.PublicKey:
		kind = kindECDSA
		own := slices.Index(want, hashOf(k.Curve))
		stronger, weaker := want[own:], slices.Clone(want[:own])
		slices.Reverse(weaker)
		want = slices.Concat(stronger, weaker)
	case ed25519.PublicKey:
		kind, want = kindEd25519, []Hash{Identity}
	}
	for _, h := range want {
		if slices.Contains(hashes, h) {
			return algorithm{kind, h}, nil
		}
	}
	return algorithm{}, fmt.Errorf("sign: the peer knows none of the hashes that a signature with %s can have", KeyName(pub))
}

func (a algorithm) sign(rand io.Reader, key crypto.Signer, octets []byte) ([]byte, error) {
	var opts crypto.SignerOpts = a.hash.crypto()
	if a.kind == kindPSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash.crypto()}
	}
	sig, err := key.Sign(rand, a.hash.Sum(octets), opts)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sig, nil
}

// signOld signs for a peer that knows RFC 7296 and RFC 4754 only. For RSA that
// RFC has SHA-1 by default and allows others; SHA-256 is what is taken.
func signOld(rand io.Reader, key crypto.Signer, octets []byte) (*message.Auth, error) {
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		sig, err := algorithm{kindRSA, SHA256}.sign(rand, key, octets)
		return &message.Auth{Method: message.AuthRSA, Data: sig}, err
	case *ecdsa.PublicKey:
		method, hash := oldECDSA(k)
		der, err := algorithm{kindECDSA, hash}.sign(rand, key, octets)
		if err != nil {
			return nil, err
		}
		sig, err := flatten(der, (k.Curve.Params().BitSize+7)/8)
		return &message.Auth{Method: method, Data: sig}, err
	}
	return nil, fmt.Errorf("sign: the peer does not know RFC 7427, which %s needs", KeyName(key.Public()))
}

func oldECDSA(k *ecdsa.PublicKey) (message.AuthMethod, Hash) {
	switch h := hashOf(k.Curve); h {
	case SHA384:
		return message.AuthECDSA384, h
	case SHA512:
		return message.AuthECDSA521, h
	default:
		return message.AuthECDSA256, h
	}
}

// flatten turns an Ecdsa-Sig-Value into r and s of size octets each (RFC 4754,
// Section 7).
func flatten(der []byte, size int) ([]byte, error) {
	var inner cryptobyte.String
	in := cryptobyte.String(der)
	r, s := new(big.Int), new(big.Int)
	if !in.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1Integer(r) || !inner.ReadASN1Integer(s) {
		return nil, errors.New("sign: the key makes malformed signatures")
	}
	if r.Sign() < 0 || s.Sign() < 0 || max(r.BitLen(), s.BitLen()) > 8*size {
		return nil, errors.New("sign: the key makes signatures of another curve")
	}
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out, nil
}
