// Package sign makes and checks the digital signatures of AUTH payloads.
//
// It implements the Digital Signature method of RFC 7427 with RSA (RSASSA-PSS
// and, to check only, RSASSA-PKCS1-v1_5), ECDSA with P-256, P-384 and P-521, and
// Ed25519 (RFC 8420), and for peers that do not know that method the older ones:
// RSA (RFC 7296, Section 3.8) and ECDSA (RFC 4754). SHA-1 is neither made nor
// accepted (RFC 8247, Section 3.2), nor are RSA keys under 2048 bits or with a
// public exponent under 65537.
//
// Every error means that nothing is proven. Certificates are the business of
// package trust.
package sign
