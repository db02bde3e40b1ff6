// Package eap is the Extensible Authentication Protocol (RFC 3748) as IKEv2 uses
// it (RFC 7296, Section 2.16): bytes in, bytes out, without sockets, clocks or
// goroutines of its own.
//
// A [Peer] proves an [Account] to an authenticator, by EAP-MSCHAPv2
// (draft-kamath-pppext-eap-mschapv2, RFC 2759) or EAP-TLS (RFC 5216, RFC 9190).
// A [Server] is an authenticator for EAP-MSCHAPv2. Both bring a master session key
// when they succeed. The peer answers requests for its identity, notifications,
// and requests for other methods than its own (Nak).
//
// EAP itself is not authentic: whoever carries its messages decides what a Success
// looks like. So a Peer believes one only after its method has found the
// authenticator to know the password, or to have the right certificate, and the
// caller must have authenticated the other end before the first message, as RFC
// 7296 demands: MSCHAPv2 can be guessed by who listens or poses as the other end.
//
// It does not implement the change of passwords, repeated tries, TLS session
// resumption, methods inside methods, and expanded types.
package eap
