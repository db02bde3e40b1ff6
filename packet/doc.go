// Package packet holds what every stage of the dataplane shares: buffers that
// grow in place at both ends, the 5-tuple of an IP packet, the reasons a packet
// is refused for, and the few header operations a nest of tunnels needs.
//
// It implements, each written once for both IP versions: a parser for IPv4 and
// IPv6 with a bounded walk over extension headers (RFC 8200, Section 4), header
// builders, the Internet checksum and its incremental update (RFC 1624), ECN on
// tunnels (RFC 6040), ICMP errors (RFC 792, RFC 1191, RFC 4443), TCP MSS
// clamping and one-to-one address replacement.
//
// It does not implement reassembly, IPv6 jumbograms (RFC 2675), AH as an
// extension header (a packet with AH has protocol 51 and no ports), or the
// verification of checksums of packets in transit: the end host does that.
//
// Integers are in host order everywhere but in the bytes of a packet. Nothing
// here allocates on the path of a packet, locks or logs.
package packet
