package ike

import (
	"bytes"
	"crypto/x509"

	"warren/ike/message"
	"warren/ike/sign"
)

// proofs is how the two sides of a session have proven who they are, for people.
type proofs struct {
	own, peers string
	cert       *x509.Certificate // the peer's, nil where it has shown none
	sent       [][]byte          // it, and those that lead to it
}

const byPSK = "pre-shared key"

// byCertificate words the signature of an AUTH payload.
func byCertificate(a *message.Auth) string {
	if a == nil {
		return ""
	}
	return "certificate, " + sign.Describe(a)
}

// cloned copies certificates out of their message.
func cloned(certs [][]byte) [][]byte {
	out := make([][]byte, len(certs))
	for i, c := range certs {
		out[i] = bytes.Clone(c)
	}
	return out
}
