// Package policy holds the SPD's vocabulary: traffic selectors, and the tables
// of transport and tunnel rules that a flow is matched against.
//
// It implements selectors over address ranges, one protocol and a port range
// (RFC 4301, Section 4.4.1.1; RFC 7296, Section 3.13) with their intersection
// and coverage, rule tables in which the first match wins, the treatment of
// non-initial fragments of RFC 4301, Section 7, and the search for rules that
// an earlier rule hides. It does not implement OPAQUE, ICMP type and code as
// selectors of rules, or names other than addresses: config resolves those.
//
// Everything here is a value or immutable once built, so any goroutine may read
// it. What a match leads to is package nest's business.
package policy
