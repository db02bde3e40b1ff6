// Package dn reads, writes and compares X.500 distinguished names, as
// certificates and the ID payloads of IKEv2 carry them (RFC 7296, Section 3.5).
//
// In text, a name is written in the order of its encoding, which is also
// strongSwan's and OpenSSL's: "C=CH, O=Example, CN=alice". Two names are equal if
// they have the same attributes in the same order, and their values the same
// characters; whether a value is a PrintableString or a UTF8String makes no
// difference. Upper and lower case do, so that a name means exactly one subject.
package dn
