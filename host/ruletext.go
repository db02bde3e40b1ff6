package host

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func (r rule) String() string { return "rule " + r.text() }

// text is the rule as `ip rule` prints it.
func (r rule) text() string {
	s := fmt.Sprintf("%d: from %s", r.pref, prefixText(r.src, "all"))
	if r.dst.IsValid() {
		s += " to " + prefixText(r.dst, "all")
	}
	switch {
	case r.mask == math.MaxUint32:
		s += fmt.Sprintf(" fwmark %#x", r.mark)
	case r.mask != 0:
		s += fmt.Sprintf(" fwmark %#x/%#x", r.mark, r.mask)
	}
	if r.proto != 0 {
		s += " ipproto " + protoName(r.proto)
	}
	if r.sport != (Ports{}) {
		s += " sport " + r.sport.text()
	}
	if r.dport != (Ports{}) {
		s += " dport " + r.dport.text()
	}
	return s + " " + r.does()
}

// does is the rule's action.
func (r rule) does() string {
	switch r.action {
	case nl.FR_ACT_TO_TBL:
		return fmt.Sprintf("lookup %d", r.table)
	case nl.FR_ACT_GOTO:
		return fmt.Sprintf("goto %d", r.target)
	case nl.FR_ACT_NOP:
		return "nop"
	case nl.FR_ACT_BLACKHOLE:
		return "blackhole"
	case nl.FR_ACT_UNREACHABLE:
		return "unreachable"
	case nl.FR_ACT_PROHIBIT:
		return "prohibit"
	}
	return fmt.Sprintf("action %d", r.action)
}

// prefixText is a prefix, an address alone if it holds just one, or all.
func prefixText(p netip.Prefix, all string) string {
	switch {
	case !p.IsValid() || p.Bits() == 0:
		return all
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

func (p Ports) text() string {
	if p.Lo == p.Hi {
		return strconv.Itoa(int(p.Lo))
	}
	return fmt.Sprintf("%d-%d", p.Lo, p.Hi)
}

// protoName is the name of a protocol, as ip has it.
func protoName(proto uint8) string {
	switch proto {
	case unix.IPPROTO_ICMP:
		return "icmp"
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_DCCP:
		return "dccp"
	case unix.IPPROTO_ICMPV6:
		return "ipv6-icmp"
	case unix.IPPROTO_SCTP:
		return "sctp"
	case unix.IPPROTO_UDPLITE:
		return "udplite"
	}
	return fmt.Sprintf("ipproto-%d", proto)
}
