// Package pki makes certification authorities, certificates and revocation
// lists, with crypto/x509. It is what tests get theirs from.
//
// Everything is returned in memory; package folder keeps it in files. It
// does not implement certificate requests (PKCS #10), OCSP, delta CRLs, or
// encrypted private keys.
package pki
