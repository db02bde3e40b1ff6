package config

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"warren/policy"
)

// word is a text that is one of words.
func (v value) word(words ...string) (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	for _, w := range words {
		if s == w {
			return s, true
		}
	}
	fix := "write " + orList(words)
	if n := nearest(s, words); n != "" {
		fix = "write " + n
	}
	v.fail(fix, "%s is %q, which is not one of %s", v.what, s, orList(words))
	return "", false
}

// orList is "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func (v value) boolean() (bool, bool) {
	s, ok := v.text()
	if !ok {
		return false, false
	}
	if s != "true" && s != "false" {
		v.fail("write true or false", "%s is %q", v.what, s)
		return false, false
	}
	return s == "true", true
}

// integer is a whole number from lo to hi.
func (v value) integer(lo, hi int) (int, bool) {
	s, ok := v.text()
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		v.fail("write a number from "+strconv.Itoa(lo)+" to "+strconv.Itoa(hi), "%s is %q, not a whole number", v.what, s)
		return 0, false
	}
	if n < lo || n > hi {
		v.fail("write a number from "+strconv.Itoa(lo)+" to "+strconv.Itoa(hi), "%s is %d, out of range", v.what, n)
		return 0, false
	}
	return n, true
}

// duration is a time of at least lo, or 0 where zero is allowed.
func (v value) duration(lo time.Duration, zero bool) (time.Duration, bool) {
	s, ok := v.text()
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		fix := "write a number with a unit, like 10s, 30m or 1h"
		if _, err := strconv.Atoi(s); err == nil {
			fix = "add the unit, like " + s + "s"
		}
		v.fail(fix, "%s is %q, not a duration", v.what, s)
		return 0, false
	}
	if d < lo && !(zero && d == 0) {
		v.fail("write "+lo.String()+" or more", "%s is %s, too short", v.what, d)
		return 0, false
	}
	return d, true
}

// sizeUnits are the units of sizes, binary and decimal.
func sizeUnits() map[string]uint64 {
	return map[string]uint64{
		"": 1, "b": 1,
		"k": 1000, "kb": 1000, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
		"ki": 1 << 10, "kib": 1 << 10, "mi": 1 << 20, "mib": 1 << 20, "gi": 1 << 30, "gib": 1 << 30, "ti": 1 << 40, "tib": 1 << 40,
	}
}

// size is a number of bytes, like 256KiB.
func (v value) size() (uint64, bool) {
	s, ok := v.text()
	if !ok {
		return 0, false
	}
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit, known := sizeUnits()[strings.ToLower(strings.TrimSpace(s[len(digits):]))]
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !known {
		v.fail("write a whole number with a unit, like 256KiB or 64GiB", "%s is %q, not a size", v.what, s)
		return 0, false
	}
	if n > (1<<63)/unit {
		v.fail("write a smaller size", "%s is %q, too large", v.what, s)
		return 0, false
	}
	return n * unit, true
}

// count is a whole number, with 1_000_000 allowed.
func (v value) count() (uint64, bool) {
	s, ok := v.text()
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), 10, 63)
	if err != nil {
		v.fail("write a whole number", "%s is %q, not a number", v.what, s)
		return 0, false
	}
	return n, true
}

func (v value) addr() (netip.Addr, bool) {
	s, ok := v.text()
	if !ok {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err == nil && a.Zone() == "" && !a.IsMulticast():
		return a.Unmap(), true
	case err == nil && a.Zone() != "":
		v.fail("write an address without a zone", "%s is %q, which is only known on one link", v.what, s)
	case err == nil:
		v.fail("write a unicast address", "%s is the multicast address %s", v.what, s)
	case strings.Contains(s, "/"):
		v.fail("write one address", "%s is %q, a prefix", v.what, s)
	default:
		v.fail("write an IPv4 or IPv6 address, like 192.0.2.1; names are not looked up", "%s is %q, not an IP address", v.what, s)
	}
	return netip.Addr{}, false
}

// addrs is a list of addresses, none twice.
func (v value) addrs() []netip.Addr {
	var out []netip.Addr
	for _, item := range v.items() {
		a, ok := item.addr()
		if !ok {
			continue
		}
		for _, b := range out {
			if a == b {
				item.fail("delete one of them", "%s names %s twice", v.what, a)
			}
		}
		out = append(out, a)
	}
	return out
}

// parsePrefix reads a prefix, or an address as a prefix of its full length.
func parsePrefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return p, true
}

// prefix is a prefix without host bits, or an address.
func (v value) prefix() (netip.Prefix, bool) {
	s, ok := v.text()
	if !ok {
		return netip.Prefix{}, false
	}
	p, ok := parsePrefix(s)
	if !ok {
		v.fail("write a prefix or an address, like 10.0.0.0/8 or fd00::1", "%s is %q, not a prefix", v.what, s)
		return netip.Prefix{}, false
	}
	return p, v.noHostBits(p)
}

func (v value) noHostBits(p netip.Prefix) bool {
	if p.Masked() == p {
		return true
	}
	v.fail("write "+p.Masked().String()+" or "+p.Addr().String(), "%s is %s, which has bits set after the prefix", v.what, p)
	return false
}

func (v value) prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, item := range v.items() {
		if p, ok := item.prefix(); ok {
			out = append(out, p)
		}
	}
	return out
}

func (v value) selectors() []policy.Selector { return policy.PrefixSelectors(v.prefixes()) }

func (v value) port() (uint16, bool) {
	n, ok := v.integer(1, 65535)
	return uint16(n), ok
}

// ports is a list of ports and ranges.
func (v value) ports() ([]policy.Ports, bool) {
	var out []policy.Ports
	good := true
	for _, item := range v.items() {
		s, ok := item.text()
		if !ok {
			good = false
			continue
		}
		lo, hi, ranged := strings.Cut(s, "-")
		if !ranged {
			hi = lo
		}
		l, err1 := strconv.ParseUint(strings.TrimSpace(lo), 10, 16)
		h, err2 := strconv.ParseUint(strings.TrimSpace(hi), 10, 16)
		switch {
		case err1 != nil || err2 != nil:
			item.fail("write a number from 0 to 65535 or a range like 5000-5999", "%s is %q, not a port", v.what, s)
			good = false
		case l > h:
			item.fail("write "+hi+"-"+lo, "%s is %q, a range that ends before it begins", v.what, s)
			good = false
		default:
			out = append(out, policy.Ports{Lo: uint16(l), Hi: uint16(h)})
		}
	}
	return out, good
}

// protoNumbers are the protocols that have a name here.
func protoNumbers() map[string]uint8 {
	return map[string]uint8{
		"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
		"icmpv6": 58, "icmp6": 58, "ospf": 89, "sctp": 132, "udplite": 136,
	}
}

// ParseProto reads the name or the number of an IP protocol.
func ParseProto(s string) (proto uint8, ok bool) {
	if p, ok := protoNumbers()[strings.ToLower(s)]; ok {
		return p, true
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return uint8(n), err == nil && n > 0
}

// HasPorts reports whether packets of an IP protocol carry ports.
func HasPorts(proto uint8) bool {
	return proto == 6 || proto == 17 || proto == 33 || proto == 132 || proto == 136
}

func (v value) protos() ([]uint8, bool) {
	var out []uint8
	good := true
	for _, item := range v.items() {
		s, ok := item.text()
		if !ok {
			good = false
			continue
		}
		if s == "any" {
			return nil, true
		}
		p, ok := ParseProto(s)
		if !ok {
			item.fail("write tcp, udp, icmp, icmpv6, sctp, any, or a number from 1 to 255", "%s is %q, not an IP protocol", v.what, s)
			good = false
			continue
		}
		out = append(out, p)
	}
	return out, good
}
