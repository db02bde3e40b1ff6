// Package esp turns IP packets into Encapsulating Security Payload packets and
// back, in place.
//
// It implements RFC 4303 (ESP) in tunnel and transport mode with the AEAD
// transforms of RFC 4106 (AES-GCM with an ICV of 16, 12 or 8 bytes) and RFC 7634
// (ChaCha20-Poly1305), with AES-CBC (RFC 3602) and the HMACs of RFC 4868 beside
// it, the 64-bit sequence numbers of RFC 4303, Section 2.2.1, and the replay
// window of RFC 4303, Appendix A2. It does not implement AH, NULL encryption, the
// sending of traffic-flow padding and dummy packets (both are accepted), or outer
// IP and UDP headers, which are package packet's.
//
// Packets go through in bursts: [Sealer.Add] and [Opener.Add] gather them, of any
// number of SAs and layers, and one Run does what the ciphers cost. What those are
// is below [Sealer] and [Opener], in transforms: the standard library and x/crypto,
// and with the build tag ipsecmb, which needs cgo and libipsec-mb, that library
// for AES-GCM, one call a burst. Where the CPU lacks AES or AVX, such a build
// falls back to the standard library; [Backend] says which it is.
//
// Callers own the keys they pass in. Expanded ones are dropped with the last
// reference to their SA: libipsec-mb's are cleared then, by the garbage
// collector's time, those of the standard library cannot be.
//
// Sequence counters, lifetimes and the SPI table live in package sa, which calls
// this one. A [Sealer] or an [Opener] may be used by several goroutines at a
// time, each with its own packets and burst; a burst and a [Window] by one at a
// time.
package esp
