package ike

import (
	"crypto/x509"

	"warren/ike/message"
	"warren/ike/sign"
)

// proofs is how the two sides of a session have proven who they are, for people.
type proofs struct {
	own, peers string
	cert       *x509.Certificate // the peer's, nil where it has shown none
}

const byPSK = "pre-shared key"

// byCertificate words the signature of an AUTH payload.
func byCertificate(a *message.Auth) string {
	if a == nil {
		return ""
	}
	return "certificate, " + sign.Describe(a)
}
