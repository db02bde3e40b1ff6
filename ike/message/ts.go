package message

import "net/netip"

// A TSType says how the addresses of a selector are written (RFC 7296, Section
// 3.13.1).
type TSType uint8

// Traffic selector types.
const (
	TSIPv4Range TSType = 7
	TSIPv6Range TSType = 8
)

func (t TSType) String() string {
	var s string
	switch t {
	case TSIPv4Range:
		s = "TS_IPV4_ADDR_RANGE"
	case TSIPv6Range:
		s = "TS_IPV6_ADDR_RANGE"
	}
	return name(s, "TS", uint64(t))
}

// TS is the traffic of one side (RFC 7296, Section 3.13).
type TS struct {
	Responder bool // TSr instead of TSi
	Selectors []Selector
}

// Type returns PayloadTSi or PayloadTSr.
func (p *TS) Type() PayloadType {
	if p.Responder {
		return PayloadTSr
	}
	return PayloadTSi
}

// A Selector is one range of addresses and ports. For ICMP the ports are type
// and code (RFC 7296, Section 3.13.1).
type Selector struct {
	From, To  netip.Addr // both ends belong to the range; invalid in an unknown selector
	Proto     uint8      // 0 is any
	StartPort uint16
	EndPort   uint16

	Unknown TSType // a type that is neither IPv4 nor IPv6 range, else 0
	Raw     []byte // what follows the length field of an unknown selector
}

// OpaquePorts reports whether the selector is for packets whose ports are not
// known, like non-first fragments: it starts at 65535 and ends at 0.
func (s Selector) OpaquePorts() bool { return s.StartPort == 65535 && s.EndPort == 0 }
