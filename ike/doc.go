// Package ike is the IKEv2 state machine (RFC 7296): it turns received messages
// and the passing of time into messages to send and changes of SAs.
//
// An [Engine] has no socket, clock or goroutine of its own. The caller hands it
// datagrams and the time, and takes from it datagrams and events; [Engine.Next]
// says when it wants to be called again. One goroutine at a time may use an
// Engine.
//
// It implements both roles of IKE_SA_INIT (with COOKIE and INVALID_KE_PAYLOAD),
// IKE_AUTH with pre-shared keys or certificates, configuration payloads, traffic selector
// narrowing, transport mode, NAT detection, CREATE_CHILD_SA (new children,
// rekeys of child SAs and of the IKE SA, with the collision rules of RFC 7296,
// Section 2.8) and INFORMATIONAL (DELETE and liveness checks). The window is
// one exchange in each direction.
//
// A session may be followed by another one that is authenticated from scratch and
// takes over its layers (RFC 7296, Section 2.8.3). It has one pair of child SAs:
// further ones end with the session before it.
//
// An interrupted session may be resumed without key exchange and credentials, by a
// ticket (RFC 5723). Tickets are by reference and kept in memory.
//
// Addresses may change under a session (MOBIKE, RFC 4555): the initiator updates
// them, tries the responder's other addresses when the usual one is silent, and
// follows one that announces a new address. What is claimed about addresses is
// checked by return routability before ESP goes there. An initiator does not tell
// its own further addresses, and moves within one family only.
//
// Messages that are too long for their path go in fragments (RFC 7383). Hybrid
// key exchanges, as with ML-KEM, take place in IKE_INTERMEDIATE (RFC 9242, RFC
// 9370), those of rekeys in IKE_FOLLOWUP_KE.
//
// Nobody can make an Engine remember or say much before he is authenticated: from
// a number of half-open IKE SAs on, and to a source with several of its own, it
// asks for cookies; there are only so many half-open IKE SAs, in all and from one
// source; a source that has returned no cookie gets so many answers a second, one
// to a request and none larger than three times it. That is the advice of RFC
// 8019, Section 6, without its puzzles: what is left to an attacker, to take part
// from many addresses of his own, costs him an address for each eighth of the
// places, and what is authentic is not kept waiting.
//
// Each side proves itself in its own way: with a pre-shared key, or with a
// certificate and a signature (RFC 7427, packages sign and trust). Revocation
// lists are fetched by the caller, who is asked by an event.
//
// A post-quantum pre-shared key can be mixed into the keys (RFC 8784), required or
// not; see [PPK]. A session may begin without a child SA (RFC 6023), and is given
// a minute to get one.
//
// It does not implement EAP or IPComp, nor certificates by hash and URL.
// A peer that offers them is answered without them.
// Nor does it send NAT keepalives (RFC 3948, Section 4), or rewrite selectors for
// transport mode through a true NAT (RFC 7296, Section 2.23.1).
//
// With a pre-shared key the initiator proves itself first, so a key of little
// entropy can be guessed by whoever poses as the responder (RFC 7296, Section
// 2.15): keys must be random.
//
// Key material appears only in the [Child] of an event. Errors and log lines
// carry identities, selectors and algorithm names, never secrets.
package ike
