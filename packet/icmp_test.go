package packet

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestICMPErrors(t *testing.T) {
	v4 := ipPacket(addr4a, addr4b, ProtoUDP, make([]byte, 1400))
	v6 := ipPacket(addr6a, addr6b, ProtoUDP, make([]byte, 1400))
	gw4, gw6 := netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("2001:db8::fe")
	buf := make([]byte, 2000)
	tests := map[string]struct {
		got  []byte
		src  netip.Addr
		head []byte // of the ICMP message, its checksum left out
		len  int
	}{
		"too big, v4":        {ICMPTooBig(make([]byte, 2000), v4, 1246, gw4), gw4, []byte{3, 4, 0, 0, 0x04, 0xde}, 576},
		"too big, v6":        {ICMPTooBig(make([]byte, 2000), v6, 1300, gw6), gw6, []byte{2, 0, 0, 0, 0x05, 0x14}, 1280},
		"too big, v6 small":  {ICMPTooBig(make([]byte, 2000), v6, 1200, gw6), gw6, []byte{2, 0, 0, 0, 0x05, 0x00}, 1280},
		"no route, v4":       {ICMPUnreachable(make([]byte, 2000), v4, UnreachNoRoute, gw4), gw4, []byte{3, 0, 0, 0, 0, 0}, 576},
		"host, v4":           {ICMPUnreachable(make([]byte, 2000), v4, UnreachHost, gw4), gw4, []byte{3, 1, 0, 0, 0, 0}, 576},
		"admin, v4":          {ICMPUnreachable(make([]byte, 2000), v4, UnreachAdmin, gw4), gw4, []byte{3, 13, 0, 0, 0, 0}, 576},
		"port, v4":           {ICMPUnreachable(make([]byte, 2000), v4, UnreachPort, gw4), gw4, []byte{3, 3, 0, 0, 0, 0}, 576},
		"no route, v6":       {ICMPUnreachable(make([]byte, 2000), v6, UnreachNoRoute, gw6), gw6, []byte{1, 0, 0, 0, 0, 0}, 1280},
		"host, v6":           {ICMPUnreachable(make([]byte, 2000), v6, UnreachHost, gw6), gw6, []byte{1, 3, 0, 0, 0, 0}, 1280},
		"admin, v6":          {ICMPUnreachable(make([]byte, 2000), v6, UnreachAdmin, gw6), gw6, []byte{1, 1, 0, 0, 0, 0}, 1280},
		"port, v6":           {ICMPUnreachable(make([]byte, 2000), v6, UnreachPort, gw6), gw6, []byte{1, 4, 0, 0, 0, 0}, 1280},
		"time exceeded, v4":  {ICMPTimeExceeded(make([]byte, 2000), v4, gw4), gw4, []byte{11, 0, 0, 0, 0, 0}, 576},
		"time exceeded, v6":  {ICMPTimeExceeded(make([]byte, 2000), v6, gw6), gw6, []byte{3, 0, 0, 0, 0, 0}, 1280},
		"little room":        {ICMPTimeExceeded(make([]byte, 56), v4, gw4), gw4, []byte{11, 0, 0, 0, 0, 0}, 56},
		"a dirty buffer":     {ICMPTimeExceeded(bytes.Repeat([]byte{0xff}, 2000), v6, gw6), gw6, []byte{3, 0, 0, 0, 0, 0}, 1280},
		"bytes behind orig":  {ICMPTimeExceeded(make([]byte, 2000), append(ipPacket(addr4a, addr4b, ProtoUDP, ports), 1, 2, 3), gw4), gw4, []byte{11, 0, 0, 0, 0, 0}, 56},
		"to a multicast, v6": {ICMPTooBig(make([]byte, 2000), ipPacket(addr6a, netip.MustParseAddr("ff0e::1"), ProtoUDP, make([]byte, 1400)), 1300, gw6), gw6, []byte{2, 0, 0, 0, 0x05, 0x14}, 1280},
		"about an echo":      {ICMPTimeExceeded(make([]byte, 2000), ipPacket(addr4a, addr4b, ProtoICMP, []byte{8, 0, 0, 0, 0, 0, 0, 0}), gw4), gw4, []byte{11, 0, 0, 0, 0, 0}, 56},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, d := parseIP(tt.got)
			if d != Live || h.src != tt.src || len(tt.got) != tt.len || h.totalLen != tt.len {
				t.Fatalf("%v from %v, %d bytes, want %v, %d", d, h.src, len(tt.got), tt.src, tt.len)
			}
			icmp := tt.got[h.headerLen:]
			if got := icmp[:2]; !bytes.Equal(got, tt.head[:2]) {
				t.Errorf("type and code %v, want %v", got, tt.head[:2])
			}
			if got := icmp[6:8]; !bytes.Equal(got, tt.head[4:6]) {
				t.Errorf("MTU field %v, want %v", got, tt.head[4:6])
			}
			if h.src.Is4() && (slowSum(icmp) != 0 || slowSum(tt.got[:20]) != 0) || h.src.Is6() && l4Sum(tt.got, h) != 0 {
				t.Error("checksum is wrong")
			}
		})
	}
	quiet := map[string][]byte{
		"an ICMP error":         ipPacket(addr4a, addr4b, ProtoICMP, []byte{3, 1, 0, 0, 0, 0, 0, 0}),
		"a redirect":            ipPacket(addr4a, addr4b, ProtoICMP, []byte{5, 1, 0, 0, 0, 0, 0, 0}),
		"ICMP without a type":   ipPacket(addr4a, addr4b, ProtoICMP, nil),
		"an ICMPv6 error":       ipPacket(addr6a, addr6b, ProtoICMPv6, []byte{1, 1, 0, 0, 0, 0, 0, 0}),
		"an ICMPv6 redirect":    ipPacket(addr6a, addr6b, ProtoICMPv6, []byte{137, 0, 0, 0, 0, 0, 0, 0}),
		"a later fragment":      setFrag(ipPacket(addr4a, addr4b, ProtoUDP, ports), 1),
		"v6 later fragment":     ipPacket(addr6a, addr6b, ProtoFragment, []byte{ProtoUDP, 0, 0, 8, 0, 0, 0, 0, 1, 2, 3, 4}),
		"to a multicast":        ipPacket(addr4a, netip.MustParseAddr("224.0.0.5"), ProtoUDP, ports),
		"to broadcast":          ipPacket(addr4a, netip.MustParseAddr("255.255.255.255"), ProtoUDP, ports),
		"from a multicast":      ipPacket(netip.MustParseAddr("224.0.0.5"), addr4b, ProtoUDP, ports),
		"from no address":       ipPacket(netip.IPv4Unspecified(), addr4b, ProtoUDP, ports),
		"from no address, v6":   ipPacket(netip.IPv6Unspecified(), addr6b, ProtoUDP, ports),
		"v6 to a multicast":     ipPacket(addr6a, netip.MustParseAddr("ff0e::1"), ProtoUDP, ports),
		"not an IP packet":      make([]byte, 60),
		"from a v6 multicast":   ipPacket(netip.MustParseAddr("ff02::1"), addr6b, ProtoUDP, ports),
		"from loopback address": ipPacket(netip.MustParseAddr("127.0.0.1"), addr4b, ProtoUDP, ports),
	}
	for name, orig := range quiet {
		src := gw4
		if orig[0]>>4 == 6 {
			src = gw6
		}
		if got := ICMPUnreachable(buf, orig, UnreachHost, src); got != nil {
			t.Errorf("%s is answered", name)
		}
	}
	if ICMPTooBig(buf[:55], v4, 1200, gw4) != nil || ICMPTooBig(buf, v4, 1200, gw6) != nil {
		t.Error("answered without room, or from an address of the other family")
	}
	if n := testing.AllocsPerRun(100, func() { ICMPTooBig(buf, v4, 1200, gw4) }); n != 0 {
		t.Errorf("ICMPTooBig allocates %v times, want 0", n)
	}
}
