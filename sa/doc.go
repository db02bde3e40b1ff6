// Package sa keeps the security associations that package esp works for: their
// sequence numbers, replay windows, lifetimes and counters, and the SAD that
// finds the inbound ones by SPI.
//
// It implements RFC 4301, Section 4.4.2 (the SAD) for AEAD suites, sequence
// numbers reserved in runs with a hard stop before they repeat (RFC 4303,
// Section 3.3.3), lifetimes in time, bytes and packets, and the inbound
// selector check (RFC 4301, Section 5.2). It does not implement AH, the SPD
// (package policy), or the negotiation of SAs (package ike), keeps no clock and
// starts no goroutine.
//
// Inbound and outbound SAs are two types. All their methods may be called from
// several goroutines at a time.
package sa
