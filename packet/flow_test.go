package packet

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

var (
	addr4a = netip.MustParseAddr("192.0.2.1")
	addr4b = netip.MustParseAddr("198.51.100.77")
	addr6a = netip.MustParseAddr("2001:db8::1")
	addr6b = netip.MustParseAddr("2001:db8:ffff::77")
)

// ipPacket returns an IP packet of src's family with payload l4.
func ipPacket(src, dst netip.Addr, proto uint8, l4 []byte) []byte {
	n := IPv6HeaderLen
	if src.Is4() {
		n = IPv4HeaderLen
	}
	b := make([]byte, n+len(l4))
	PutIP(b, IPHeader{Src: src, Dst: dst, Proto: proto, TTL: 64, DF: true, Len: len(b)})
	copy(b[n:], l4)
	return b
}

// edit returns b with v written at off.
func edit(b []byte, off int, v ...byte) []byte {
	b = slices.Clone(b)
	copy(b[off:], v)
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var ports = []byte{0x01, 0xbb, 0x15, 0xb3, 0, 8, 0, 0} // 443 to 5555

func TestParseFlow(t *testing.T) {
	v4 := ipPacket(addr4a, addr4b, ProtoUDP, ports)
	v6 := ipPacket(addr6a, addr6b, ProtoUDP, ports)
	flow := func(src, dst netip.Addr, proto uint8) Flow {
		return Flow{Src: src, Dst: dst, Proto: proto, SrcPort: 443, DstPort: 5555}
	}
	ext := func(first uint8, headers ...byte) []byte {
		return ipPacket(addr6a, addr6b, first, append(headers, ports...))
	}
	frag := Flow{Src: addr4a, Dst: addr4b, Proto: ProtoUDP, Frag: true}
	frag6 := Flow{Src: addr6a, Dst: addr6b, Proto: ProtoUDP, Frag: true}
	tests := map[string]struct {
		ip   []byte
		flow Flow
		info Info
		drop Drop
	}{
		"empty":                   {drop: Truncated},
		"version 0":               {ip: edit(v4, 0, 0x05), drop: NotIP},
		"version 5":               {ip: edit(v4, 0, 0x55), drop: NotIP},
		"v4":                      {ip: v4, flow: flow(addr4a, addr4b, ProtoUDP), info: Info{HeaderLen: 20, TotalLen: 28, DF: true}},
		"v4, a byte short":        {ip: v4[:27], drop: Truncated},
		"v4, 19 bytes":            {ip: v4[:19], drop: Truncated},
		"v4, bytes behind":        {ip: append(slices.Clone(v4), 0, 0), flow: flow(addr4a, addr4b, ProtoUDP), info: Info{HeaderLen: 20, TotalLen: 28, DF: true}},
		"v4, total length 0":      {ip: edit(v4, 2, 0, 0), drop: Malformed},
		"v4, total below ihl":     {ip: edit(v4, 2, 0, 19), drop: Malformed},
		"v4, ihl 4":               {ip: edit(v4, 0, 0x44), drop: Malformed},
		"v4, ihl beyond total":    {ip: edit(v4, 0, 0x48), drop: Malformed},
		"v4, options eat ports":   {ip: edit(v4, 0, 0x47), drop: Truncated},
		"v4, three bytes of L4":   {ip: ipPacket(addr4a, addr4b, ProtoTCP, ports[:3]), drop: Truncated},
		"v4, ICMP without a byte": {ip: ipPacket(addr4a, addr4b, ProtoICMP, nil), flow: Flow{Src: addr4a, Dst: addr4b, Proto: ProtoICMP}, info: Info{HeaderLen: 20, TotalLen: 20, DF: true}},
		"v4, first fragment":      {ip: edit(v4, 6, 0x20, 0), flow: flow(addr4a, addr4b, ProtoUDP), info: Info{HeaderLen: 20, TotalLen: 28, Fragment: true, FirstFragment: true}},
		"v4, later fragment":      {ip: edit(v4, 6, 0, 1), flow: frag, info: Info{HeaderLen: 20, TotalLen: 28, Fragment: true}},
		"v4, fragment at the end": {ip: edit(v4, 6, 0x1f, 0xff), drop: Malformed},
		"v4, tos":                 {ip: edit(v4, 1, 0xb9), flow: flow(addr4a, addr4b, ProtoUDP), info: Info{HeaderLen: 20, TotalLen: 28, DF: true, TOS: 0xb9}},
		"v6":                      {ip: v6, flow: flow(addr6a, addr6b, ProtoUDP), info: Info{HeaderLen: 40, TotalLen: 48, DF: true}},
		"v6, a byte short":        {ip: v6[:47], drop: Truncated},
		"v6, 39 bytes":            {ip: v6[:39], drop: Truncated},
		"v6, length 65535":        {ip: edit(v6, 4, 0xff, 0xff), drop: Truncated},
		"v6, mapped source":       {ip: edit(v6, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), drop: Malformed},
		"v6, tos":                 {ip: edit(v6, 0, 0x6b, 0x90), flow: flow(addr6a, addr6b, ProtoUDP), info: Info{HeaderLen: 40, TotalLen: 48, DF: true, TOS: 0xb9}},
		"v6, hop-by-hop":          {ip: ext(ProtoHopByHop, ProtoUDP, 0, 0, 0, 0, 0, 0, 0), flow: flow(addr6a, addr6b, ProtoUDP), info: Info{HeaderLen: 48, TotalLen: 56, DF: true}},
		"v6, options too long":    {ip: ext(ProtoDestOpts, ProtoUDP, 2, 0, 0, 0, 0, 0, 0), drop: Truncated},
		"v6, no next header":      {ip: ext(ProtoNone), flow: Flow{Src: addr6a, Dst: addr6b, Proto: ProtoNone}, info: Info{HeaderLen: 40, TotalLen: 48, DF: true}},
		"v6, atomic fragment":     {ip: ext(ProtoFragment, ProtoUDP, 0, 0, 0, 0, 0, 0, 0), flow: flow(addr6a, addr6b, ProtoUDP), info: Info{HeaderLen: 48, TotalLen: 56, DF: true}},
		"v6, first fragment":      {ip: ext(ProtoFragment, ProtoUDP, 0, 0, 1, 0, 0, 0, 0), flow: flow(addr6a, addr6b, ProtoUDP), info: Info{HeaderLen: 48, TotalLen: 56, DF: true, Fragment: true, FirstFragment: true}},
		"v6, later fragment":      {ip: ext(ProtoFragment, ProtoUDP, 0, 0, 8, 0, 0, 0, 0), flow: frag6, info: Info{HeaderLen: 48, TotalLen: 56, DF: true, Fragment: true}},
		"v6, ports in fragment 2": {ip: ipPacket(addr6a, addr6b, ProtoFragment, []byte{ProtoUDP, 0, 0, 1, 0, 0, 0, 0, 1}), drop: Truncated},
		"v6, two fragments":       {ip: ipPacket(addr6a, addr6b, ProtoFragment, append([]byte{ProtoFragment, 0, 0, 1, 0, 0, 0, 0, ProtoUDP, 0, 0, 1, 0, 0, 0, 0}, ports...)), drop: Malformed},
		"v6, extensions forever":  {ip: ipPacket(addr6a, addr6b, ProtoDestOpts, slices.Repeat([]byte{ProtoDestOpts, 0, 0, 0, 0, 0, 0, 0}, 9)), drop: Malformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, info, d := ParseFlow(tt.ip)
			if f != tt.flow || info != tt.info || d != tt.drop {
				t.Errorf("ParseFlow = %+v, %+v, %v\nwant        %+v, %+v, %v", f, info, d, tt.flow, tt.info, tt.drop)
			}
			compareParse(t, tt.ip)
		})
	}
}

// FuzzParseFlow holds what ParseFlow accepts to gopacket's reading of it.
func FuzzParseFlow(f *testing.F) {
	f.Add(ipPacket(addr4a, addr4b, ProtoTCP, make([]byte, 20)))
	f.Add(ipPacket(addr4a, addr4b, ProtoUDP, ports))
	f.Add(ipPacket(addr6a, addr6b, ProtoUDP, ports))
	f.Add(ipPacket(addr6a, addr6b, ProtoHopByHop, append([]byte{ProtoUDP, 0, 1, 4, 0, 0, 0, 0}, ports...)))
	f.Add(ipPacket(addr6a, addr6b, ProtoFragment, append([]byte{ProtoUDP, 0, 0, 1, 0, 0, 0, 1}, ports...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		compareParse(t, b)
		flow, info, d := ParseFlow(b)
		if d != Live {
			if flow != (Flow{}) || info != (Info{}) {
				t.Errorf("refused as %v, and yet %+v %+v", d, flow, info)
			}
			return
		}
		if info.HeaderLen < 20 || info.TotalLen < info.HeaderLen || info.TotalLen > len(b) {
			t.Fatalf("lengths %+v of %d bytes", info, len(b))
		}
		if b[0]>>4 == 4 {
			compareV4(t, b, flow, info)
		} else {
			compareV6(t, b, flow, info)
		}
	})
}

// compareParse holds Parse, which has a short way, to ParseFlow.
func compareParse(t *testing.T, b []byte) {
	t.Helper()
	p := New(len(b))
	p.Set(b)
	p.Flow, p.Info = Flow{Proto: 1, SrcPort: 2, DstPort: 3, Frag: true}, Info{Fragment: true, FirstFragment: true}
	p.Parse()
	f, info, d := ParseFlow(b)
	if p.Flow != f || p.Info != info || p.Drop != d {
		t.Errorf("Parse = %+v, %+v, %v\nwant    %+v, %+v, %v", p.Flow, p.Info, p.Drop, f, info, d)
	}
}

// TestParseLengths: at every length that a header can name, with bytes behind it.
func TestParseLengths(t *testing.T) {
	for _, proto := range []uint8{ProtoUDP, ProtoTCP, ProtoESP, ProtoHopByHop, ProtoFragment, ProtoNone} {
		ip4, ip6 := ipPacket(addr4a, addr4b, proto, make([]byte, 20)), ipPacket(addr6a, addr6b, proto, make([]byte, 20))
		for total := range 70 {
			compareParse(t, edit(ip4, 3, uint8(total)))
			compareParse(t, ip4[:min(total, len(ip4))])
			compareParse(t, edit(ip6, 5, uint8(total)))
			compareParse(t, ip6[:min(total, len(ip6))])
		}
	}
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	compareParse(t, ipPacket(mapped, addr6b, ProtoUDP, ports))
	compareParse(t, ipPacket(addr6a, mapped, ProtoUDP, ports))
}

func compareV4(t *testing.T, b []byte, flow Flow, info Info) {
	var ip layers.IPv4
	if err := ip.DecodeFromBytes(b[:info.TotalLen], gopacket.NilDecodeFeedback); err != nil {
		// gopacket also looks into the options, which no one here does.
		if b[0]&0xf > 5 {
			return
		}
		t.Fatalf("gopacket refuses it: %v", err)
	}
	compareAddrs(t, flow, ip.SrcIP, ip.DstIP)
	if uint8(ip.Protocol) != flow.Proto || flow.Frag != (ip.FragOffset != 0) || len(ip.Contents) != info.HeaderLen {
		t.Errorf("gopacket has %+v, ParseFlow %+v %+v", ip, flow, info)
	}
	if info.DF != (ip.Flags&layers.IPv4DontFragment != 0) || info.TOS != ip.TOS {
		t.Errorf("gopacket has %+v, ParseFlow %+v", ip, info)
	}
	comparePorts(t, flow, ip.Payload)
}

func compareV6(t *testing.T, b []byte, flow Flow, info Info) {
	var ip layers.IPv6
	if b[4] == 0 && b[5] == 0 {
		return // gopacket wants a jumbogram then, which ParseFlow does not know
	}
	if err := ip.DecodeFromBytes(b[:info.TotalLen], gopacket.NilDecodeFeedback); err != nil {
		return // it looks into the hop-by-hop options
	}
	compareAddrs(t, flow, ip.SrcIP, ip.DstIP)
	if info.TOS != ip.TrafficClass {
		t.Errorf("traffic class %#x, gopacket has %#x", info.TOS, ip.TrafficClass)
	}
	if ip.HopByHop == nil && info.HeaderLen == IPv6HeaderLen {
		if uint8(ip.NextHeader) != flow.Proto {
			t.Errorf("next header %d, gopacket has %d", flow.Proto, ip.NextHeader)
		}
		comparePorts(t, flow, ip.Payload)
	}
}

func compareAddrs(t *testing.T, flow Flow, src, dst []byte) {
	s, _ := netip.AddrFromSlice(src)
	d, _ := netip.AddrFromSlice(dst)
	if s != flow.Src || d != flow.Dst {
		t.Errorf("addresses %v > %v, gopacket has %v > %v", flow.Src, flow.Dst, s, d)
	}
}

func comparePorts(t *testing.T, flow Flow, l4 []byte) {
	var src, dst uint16
	if !flow.Frag {
		switch flow.Proto {
		case ProtoTCP:
			var tcp layers.TCP
			if tcp.DecodeFromBytes(l4, gopacket.NilDecodeFeedback) != nil {
				return
			}
			src, dst = uint16(tcp.SrcPort), uint16(tcp.DstPort)
		case ProtoUDP:
			var udp layers.UDP
			if udp.DecodeFromBytes(l4, gopacket.NilDecodeFeedback) != nil {
				return
			}
			src, dst = uint16(udp.SrcPort), uint16(udp.DstPort)
		case ProtoSCTP, ProtoDCCP, ProtoUDPLite:
			return
		}
	}
	if flow.SrcPort != src || flow.DstPort != dst {
		t.Errorf("ports %d > %d, gopacket has %d > %d", flow.SrcPort, flow.DstPort, src, dst)
	}
}

func TestParseAllocs(t *testing.T) {
	for name, ip := range map[string][]byte{
		"v4": ipPacket(addr4a, addr4b, ProtoUDP, ports),
		"v6": ipPacket(addr6a, addr6b, ProtoUDP, ports),
	} {
		p := New(len(ip))
		p.Set(ip)
		if n := testing.AllocsPerRun(100, p.Parse); n != 0 {
			t.Errorf("%s: Parse allocates %v times, want 0", name, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for name, ip := range map[string][]byte{
		"v4": ipPacket(addr4a, addr4b, ProtoUDP, ports),
		"v6": ipPacket(addr6a, addr6b, ProtoUDP, ports),
	} {
		p := New(len(ip))
		p.Set(ip)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p.Parse()
			}
		})
	}
}
