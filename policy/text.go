package policy

import (
	"net/netip"
	"strconv"
	"strings"
)

// String is "198.51.100.0/24[tcp/443]": the prefix, the address, or the range
// with a dash, and in brackets what narrows protocol and ports.
func (s Selector) String() string {
	if !s.From.IsValid() {
		return "invalid"
	}
	return s.addresses() + s.traffic()
}

func (s Selector) addresses() string {
	if s.From == s.To {
		return s.From.String()
	}
	if p, ok := s.prefix(); ok {
		return p.String()
	}
	return s.From.String() + "-" + s.To.String()
}

// prefix is the prefix that From and To are the ends of.
func (s Selector) prefix() (netip.Prefix, bool) {
	for bits := range s.From.BitLen() + 1 {
		p := netip.PrefixFrom(s.From, bits)
		if p.Masked() == p && lastAddr(p) == s.To {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

func (s Selector) traffic() string {
	switch {
	case s.Proto == 0 && s.Ports.Any():
		return ""
	case s.Ports.Any():
		return "[" + ProtoName(s.Proto) + "]"
	}
	return "[" + ProtoName(s.Proto) + "/" + s.Ports.String() + "]"
}

// FormatSelectors is the selectors of sel with commas between, or "nothing".
func FormatSelectors(sel []Selector) string {
	if len(sel) == 0 {
		return "nothing"
	}
	words := make([]string, len(sel))
	for i, s := range sel {
		words[i] = s.String()
	}
	return strings.Join(words, ",")
}

// ProtoName is the usual name of an IP protocol, or its number.
func ProtoName(proto uint8) string {
	switch proto {
	case 0:
		return "any"
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 50:
		return "esp"
	case 58:
		return "icmpv6"
	case 132:
		return "sctp"
	}
	return strconv.Itoa(int(proto))
}
