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
// Tables find a rule through an index of boxes: a rule has one for each combination
// of one prefix, one protocol and one range of ports on each side. A box is kept
// once, so the index grows with the rules and not with their overlap. Boxes are
// together that agree in destination and source as far as coarse lengths of prefix
// tell (of IPv4 0, 8, 16, 24 and 32 bits), so a look-up asks a hash table for up to
// 25 pairs of prefixes, which a filter in the processor's cache answers for most,
// and then looks at what it found in the order of the first rules, until the best
// match ranks before the rest. Where many boxes are together, they are divided
// further: by exact prefixes of destination and source, by protocol and port, by
// port of the source.
//
// Among 100,000 rules like those of ClassBench a flow has some 20 pairs, 7 of which
// have boxes; it looks at 2 to 3 of those and at 4 to 14 boxes. A rule takes about
// 100 bytes in the index, and 210 for itself and its place (TestMemoryPerRule); a
// change copies 16 bytes per rule and a part of the index. What is slow: a rule with
// more than 256 combinations of values stays out of the index and is tried on its
// own, as are port ranges across a large power of two that differ in nothing else.
//
// Everything here is a value or immutable once built, so any goroutine may read
// it. What a match leads to is package nest's business.
package policy
