// Package message is the wire format of IKEv2: bytes to typed payloads and
// back.
//
// It implements RFC 7296, Section 3 (header, generic payloads, SA, KE, ID,
// CERT, CERTREQ, AUTH, nonce, notify, delete, vendor ID, traffic selectors,
// SK, CP, EAP) and the shape of the SKF payload of RFC 7383, Section 2.5. CERT,
// CERTREQ, EAP and what is inside SK and SKF are opaque here: package crypt
// opens the latter two. It does not implement IKEv1, the puzzle payload of RFC
// 8019 or the group payloads of RFC 9838; their payload types are unknown ones.
//
// Parsing never panics, allocates no more than a small multiple of the bytes it
// was given, and bounds every count. The byte slices of a parsed payload alias
// the input: who parses a datagram owns it for as long as the payloads live.
// Reserved fields are ignored on input and zero on output, save those of the ID
// payload, which are part of the signed octets (RFC 7296, Section 2.15).
package message
