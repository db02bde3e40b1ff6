package packet

// The ECN field, the low two bits of the DSCP and ECN byte (RFC 3168).
const (
	ecnMask = 3
	notECT  = 0
	ect1    = 1
	ect0    = 2
	ce      = 3
)

// OuterTOS returns the DSCP and ECN byte for the header put around a packet
// whose byte is inner: a copy, which for ECN is the normal mode of RFC 6040,
// Section 4.1, and for DSCP the uniform model of RFC 2983.
func OuterTOS(inner uint8) uint8 { return inner }

// DecapECN returns the DSCP and ECN byte a packet leaves a tunnel with, when it
// came in under outer and carries inner: inner with the congestion mark the
// network may have added outside (RFC 6040, Section 4.2, figure 4). ok is false
// where the packet must be dropped (Drop ECN), as a congestion mark cannot be
// told to a sender that does not know ECN.
func DecapECN(outer, inner uint8) (tos uint8, ok bool) {
	in, out := inner&ecnMask, outer&ecnMask
	switch {
	case in == notECT:
		return inner, out != ce
	case out == ce:
		return inner | ce, true
	case in == ect0 && out == ect1:
		return inner&^ecnMask | ect1, true
	}
	return inner, true
}
