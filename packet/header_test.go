package packet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func TestPutIP(t *testing.T) {
	for _, h := range []IPHeader{
		{Src: addr4a, Dst: addr4b, Proto: ProtoUDP, TTL: 64, TOS: 0xb9, DF: true, Len: 120},
		{Src: addr4a, Dst: addr4b, Proto: ProtoESP, TTL: 1, ID: 0xbeef, Len: 65535},
		{Src: addr6a, Dst: addr6b, Proto: ProtoUDP, TTL: 255, TOS: 0xb9, Len: 120},
		{Src: addr6a, Dst: addr6b, Proto: ProtoESP, TTL: 64, Len: 65575},
	} {
		b := make([]byte, h.Len)
		n := PutIP(b, h)
		if h.Src.Is4() {
			want := serialized(t, &layers.IPv4{Version: 4, IHL: 5, TOS: h.TOS, Length: uint16(h.Len), Id: h.ID,
				Flags: map[bool]layers.IPv4Flag{true: layers.IPv4DontFragment}[h.DF], TTL: h.TTL,
				Protocol: layers.IPProtocol(h.Proto), SrcIP: h.Src.AsSlice(), DstIP: h.Dst.AsSlice()})
			if !bytes.Equal(b[:n], want) {
				t.Errorf("%+v:\ngot  %x\nwant %x", h, b[:n], want)
			}
			continue
		}
		want := serialized(t, &layers.IPv6{Version: 6, TrafficClass: h.TOS, Length: uint16(h.Len - 40), HopLimit: h.TTL,
			NextHeader: layers.IPProtocol(h.Proto), SrcIP: h.Src.AsSlice(), DstIP: h.Dst.AsSlice()})
		if !bytes.Equal(b[:n], want) {
			t.Errorf("%+v:\ngot  %x\nwant %x", h, b[:n], want)
		}
	}
}

func serialized(t *testing.T, l gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := l.SerializeTo(buf, gopacket.SerializeOptions{ComputeChecksums: true}); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestPutIPRefuses(t *testing.T) {
	long := make([]byte, 40)
	for name, tt := range map[string]struct {
		b []byte
		h IPHeader
	}{
		"v4 too short":   {long[:19], IPHeader{Src: addr4a, Dst: addr4b, Len: 20}},
		"v6 too short":   {long[:39], IPHeader{Src: addr6a, Dst: addr6b, Len: 40}},
		"families mixed": {long, IPHeader{Src: addr4a, Dst: addr6b, Len: 40}},
		"mixed again":    {long, IPHeader{Src: addr6a, Dst: addr4b, Len: 40}},
		"no addresses":   {long, IPHeader{Len: 40}},
		"v4 length":      {long, IPHeader{Src: addr4a, Dst: addr4b, Len: 65536}},
		"v6 length":      {long, IPHeader{Src: addr6a, Dst: addr6b, Len: 65576}},
		"v6 below 40":    {long, IPHeader{Src: addr6a, Dst: addr6b, Len: 39}},
	} {
		if n := PutIP(tt.b, tt.h); n != 0 || !bytes.Equal(long, make([]byte, 40)) {
			t.Errorf("%s: wrote %d bytes, %x", name, n, long)
		}
	}
}

func TestHeaderFields(t *testing.T) {
	for _, ip := range [][]byte{
		ipPacket(addr4a, addr4b, ProtoUDP, make([]byte, 100)),
		ipPacket(addr6a, addr6b, ProtoUDP, make([]byte, 100)),
	} {
		want := slices.Clone(ip)
		for tos := range 256 {
			SetTOS(ip, uint8(tos))
			if got := TOS(ip); got != uint8(tos) {
				t.Fatalf("TOS = %#x, want %#x", got, tos)
			}
			if ip[0]>>4 == 4 && slowSum(ip[:20]) != 0 {
				t.Fatalf("tos %#x: checksum off by %#04x", tos, slowSum(ip[:20]))
			}
		}
		SetTOS(ip, 0)
		SetLen(ip, 77)
		SetID(ip, 4711)
		if _, info, d := ParseFlow(ip); d != Live || info.TotalLen != 77 {
			t.Errorf("after SetLen(77): %+v, %v", info, d)
		}
		SetLen(ip, len(ip))
		SetID(ip, 0)
		if !bytes.Equal(ip, want) {
			t.Errorf("there and back:\ngot  %x\nwant %x", ip, want)
		}
	}
}

// TestStamp holds Stamp to a header written anew.
func TestStamp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		h := IPHeader{Src: addr4a, Dst: addr4b, Proto: ProtoESP, TTL: 64, DF: true, Len: 40 + rng.IntN(1400)}
		if rng.IntN(4) == 0 {
			h.Src, h.Dst = addr6a, addr6b
		}
		ip, want := make([]byte, 40+rng.IntN(1400)), make([]byte, 1500)
		header := make([]byte, 40)
		header = header[:PutIP(header, h)]
		h.TOS, h.ID, h.Len = uint8(rng.Uint32()), uint16(rng.Uint32()), len(ip)
		n := PutIP(want, h)
		Stamp(ip, header, h.TOS, h.ID)
		if !bytes.Equal(ip[:n], want[:n]) {
			t.Fatalf("%+v\ngot  %x\nwant %x", h, ip[:n], want[:n])
		}
	}
}

func TestSetUDPChecksum(t *testing.T) {
	for _, ends := range [][2]netip.Addr{{addr4a, addr4b}, {addr6a, addr6b}} {
		for _, size := range []int{0, 1, 7, 8, 1401} {
			l4 := append(make([]byte, 8), bytes.Repeat([]byte{0xa5}, size)...)
			PutUDP(l4, 4500, 4500, len(l4))
			ip := ipPacket(ends[0], ends[1], ProtoUDP, l4)
			h, _ := parseIP(ip)
			if !SetUDPChecksum(ip) || l4Sum(ip, h) != 0 || be16(ip[h.headerLen+6:]) == 0 {
				t.Errorf("%v, %d bytes: checksum is off by %#04x", ends[0], size, l4Sum(ip, h))
			}
		}
	}
	// A sum that comes to 0 is sent as ffff.
	l4 := make([]byte, 10)
	PutUDP(l4, 0, 0, 10)
	ip := ipPacket(addr4a, addr4b, ProtoUDP, l4)
	h, _ := parseIP(ip)
	putBE16(ip[28:], l4Sum(ip, h))
	if !SetUDPChecksum(ip) || be16(ip[26:]) != 0xffff {
		t.Errorf("checksum %#04x, want 0xffff", be16(ip[26:]))
	}
	if SetUDPChecksum(ipPacket(addr4a, addr4b, ProtoTCP, l4)) || SetUDPChecksum(ip[:20]) {
		t.Error("accepted what is no UDP packet")
	}
}

// TestDecapECN is the table of RFC 6040, Section 4.2, figure 4.
func TestDecapECN(t *testing.T) {
	const drop = 0xff
	want := [4][4]uint8{ // by inner, then outer: Not-ECT, ECT(1), ECT(0), CE
		notECT: {notECT, notECT, notECT, drop},
		ect1:   {ect1, ect1, ect1, ce},
		ect0:   {ect0, ect1, ect0, ce},
		ce:     {ce, ce, ce, ce},
	}
	for inner := range want {
		for outer, w := range want[inner] {
			got, ok := DecapECN(uint8(0x28|outer), uint8(0xb8|inner))
			if ok != (w != drop) || ok && got != 0xb8|w {
				t.Errorf("inner %d, outer %d: %#x, %v, want %#x", inner, outer, got, ok, 0xb8|w)
			}
		}
	}
	for tos := range 256 {
		if got := OuterTOS(uint8(tos)); got != uint8(tos) {
			t.Errorf("OuterTOS(%#x) = %#x", tos, got)
		}
	}
}

// syn returns a TCP SYN with these options, its checksum right.
func syn(t *testing.T, src, dst netip.Addr, flags uint8, options ...byte) []byte {
	tcp := make([]byte, 20, 60)
	tcp = append(tcp, options...)
	for len(tcp)%4 != 0 {
		tcp = append(tcp, optEnd)
	}
	tcp[12], tcp[13] = byte(len(tcp)/4)<<4, flags
	return withSum(t, ipPacket(src, dst, ProtoTCP, tcp))
}

func TestClampMSS(t *testing.T) {
	const s = tcpFlagSYN
	tests := map[string]struct {
		ip  []byte
		mtu int
		off int // of the value from the start of the TCP header
		mss uint16
	}{
		"v4":             {syn(t, addr4a, addr4b, s, 2, 4, 5, 0xb4), 1246, 22, 1206},
		"v6":             {syn(t, addr6a, addr6b, s, 2, 4, 5, 0xa0), 1280, 22, 1220},
		"SYN and ACK":    {syn(t, addr4a, addr4b, s|0x10, 2, 4, 5, 0xb4), 1246, 22, 1206},
		"odd offset":     {syn(t, addr4a, addr4b, s, 1, 2, 4, 5, 0xb4), 1246, 23, 1206},
		"odd at the end": {syn(t, addr4a, addr4b, s, 3, 3, 7, 2, 4, 5, 0xb4), 1246, 25, 1206},
		"after others":   {syn(t, addr4a, addr4b, s, 4, 2, 1, 1, 2, 4, 5, 0xb4), 1246, 26, 1206},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if !ClampMSS(tt.ip, tt.mtu) {
				t.Fatal("not changed")
			}
			h, _ := parseIP(tt.ip)
			if got := be16(tt.ip[h.headerLen+tt.off:]); got != tt.mss {
				t.Errorf("MSS is %d, want %d", got, tt.mss)
			}
			if got := l4Sum(tt.ip, h); got != 0 {
				t.Errorf("checksum is off by %#04x", got)
			}
			if ClampMSS(tt.ip, tt.mtu) {
				t.Error("changed again")
			}
		})
	}
	for name, ip := range map[string][]byte{
		"no SYN":            syn(t, addr4a, addr4b, 0x10, 2, 4, 5, 0xb4),
		"no option":         syn(t, addr4a, addr4b, s),
		"small already":     syn(t, addr4a, addr4b, s, 2, 4, 4, 0),
		"behind the end":    syn(t, addr4a, addr4b, s, 0, 2, 4, 5, 0xb4),
		"option length 0":   syn(t, addr4a, addr4b, s, 3, 0, 2, 4, 5, 0xb4),
		"option length 1":   syn(t, addr4a, addr4b, s, 3, 1, 2, 4, 5, 0xb4),
		"option cut off":    syn(t, addr4a, addr4b, s, 1, 1, 1, 2),
		"value cut off":     append(syn(t, addr4a, addr4b, s, 1, 1, 2, 4), 0xff, 0xff),
		"option too long":   syn(t, addr4a, addr4b, s, 2, 40, 5, 0xb4),
		"offset too large":  edit(syn(t, addr4a, addr4b, s, 2, 4, 5, 0xb4), 32, 0xf0),
		"offset 0":          edit(syn(t, addr4a, addr4b, s, 2, 4, 5, 0xb4), 32, 0),
		"a later fragment":  setFrag(syn(t, addr4a, addr4b, s, 2, 4, 5, 0xb4), 1),
		"truncated":         syn(t, addr4a, addr4b, s, 2, 4, 5, 0xb4)[:40],
		"a UDP packet":      ipPacket(addr4a, addr4b, ProtoUDP, make([]byte, 40)),
		"MTU below headers": nil,
	} {
		mtu := 1246
		if ip == nil {
			ip, mtu = syn(t, addr4a, addr4b, s, 2, 4, 5, 0xb4), 40
		}
		before := slices.Clone(ip)
		if ClampMSS(ip, mtu) || !bytes.Equal(ip, before) {
			t.Errorf("%s: changed", name)
		}
	}
}

// FuzzClampMSS says that whatever is changed keeps its checksum.
func FuzzClampMSS(f *testing.F) {
	f.Add([]byte{2, 4, 5, 0xb4}, 1246)
	f.Add([]byte{1, 2, 4, 5, 0xb4}, 1246)
	f.Fuzz(func(t *testing.T, options []byte, mtu int) {
		if len(options) > 40 {
			return
		}
		ip := syn(t, addr4a, addr4b, tcpFlagSYN, options...)
		h, _ := parseIP(ip)
		ClampMSS(ip, mtu)
		if got := l4Sum(ip, h); got != 0 {
			t.Errorf("checksum is off by %#04x: %s", got, fmt.Sprintf("%x", ip))
		}
	})
}
