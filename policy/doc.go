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
// Tables find a rule through an index: boxes of one prefix, one protocol and one
// range of ports on each side are divided by destination, source, protocol and
// ports in turn, each by the exact lengths of prefix that occur. A box is kept
// once, so the index grows with the rules and not with their overlap. Among
// 100,000 rules like those of ClassBench a rule takes about 170 bytes in the
// index, and 210 for itself and its place (TestMemoryPerRule); a change copies
// 16 bytes per rule and the path to its boxes. What is slow: a rule with more
// than 256 combinations of values stays out of the index and is tried on its
// own, as are port ranges across a large power of two that differ in nothing
// else.
//
// Everything here is a value or immutable once built, so any goroutine may read
// it. What a match leads to is package nest's business.
package policy
