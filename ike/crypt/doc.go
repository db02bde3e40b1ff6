// Package crypt is the cryptography of IKEv2: which algorithms there are, what
// a proposal means, and how keys, proofs and protected messages are computed.
//
// It implements, for SK and SKF payloads (RFC 7383), the AEADs of RFC 5282 with
// all three lengths of ICV and of RFC 7634, and AES-CBC with the HMAC-SHA2 of
// RFC 4868; the HMAC-SHA2 prfs of RFC 4868; the key exchanges of RFC 5903, RFC
// 8031 and RFC 3526 (groups 14 to 16) with the checks of RFC 6989, and ML-KEM as
// an additional one (RFC 9370, draft-ietf-ipsecme-ikev2-mlkem); key derivation,
// PSK authentication, rekeying, NAT detection and cookies of RFC 7296, and the keys
// of resumed IKE SAs (RFC 5723). It does
// not implement AES-CCM, ML-KEM-512 and X448, for which the standard library has
// no code, nor signatures.
//
// It holds no state but what its types hold, and knows no sockets or clocks.
package crypt
