package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strconv"
	"strings"
)

// KeyKinds are the kinds of keys to choose from, the recommended one first.
func KeyKinds() []string {
	return []string{"ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519", "rsa-3072", "rsa-4096"}
}

// NewKey makes a private key of one of KeyKinds, or of RSA with another number of
// bits; "" is the first of them.
func NewKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "", "ecdsa-p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa-p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	if size, ok := strings.CutPrefix(kind, "rsa-"); ok {
		if bits, err := strconv.Atoi(size); err == nil && bits >= 2048 && bits <= 8192 {
			return rsa.GenerateKey(rand.Reader, bits)
		}
	}
	return nil, fmt.Errorf("pki: %q is no kind of key: write %s", kind, strings.Join(KeyKinds(), ", "))
}
