// Package crypt is the cryptography of IKEv2: which algorithms there are, what
// a proposal means, and how keys, proofs and protected messages are computed.
//
// It implements the AEADs of RFC 5282 and RFC 7634 for SK payloads, the
// HMAC-SHA2 prfs of RFC 4868, the key exchanges of RFC 5903, RFC 8031 and RFC
// 3526 (group 14) with the checks of RFC 6989, key derivation, PSK
// authentication, rekeying, NAT detection and cookies of RFC 7296. It does not
// implement separate integrity transforms (AES-CBC with HMAC), signatures,
// fragments (RFC 7383), or the additional key exchanges of RFC 9370.
//
// It holds no state but what its types hold, and knows no sockets or clocks.
package crypt
