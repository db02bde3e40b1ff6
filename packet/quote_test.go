package packet

import (
	"net/netip"
	"testing"
)

func TestParseQuote(t *testing.T) {
	a4, b4 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	mapped := netip.MustParseAddr("::ffff:10.0.0.1")
	whole := func(src, dst netip.Addr, proto uint8) []byte {
		b := make([]byte, 48)
		n := PutIP(b, IPHeader{Src: src, Dst: dst, Proto: proto, TTL: 1, Len: 1400})
		PutUDP(b[n:], 7, 9, 1400-n)
		return b
	}
	later := whole(a4, b4, ProtoUDP)
	later[7] = 3
	options := append(whole(a4, b4, ProtoUDP)[:20], 1, 1, 1, 1, 0, 7, 0, 9)
	options[0] = 0x46
	short := whole(a4, b4, ProtoUDP)
	short[0] = 0x44
	udp4 := Flow{Src: a4, Dst: b4, Proto: ProtoUDP, SrcPort: 7, DstPort: 9}
	unknown := Flow{Src: a4, Dst: b4, Proto: ProtoUDP, Frag: true}
	tests := map[string]struct {
		ip   []byte
		want Flow
		ok   bool
	}{
		"longer than the quote":   {whole(a4, b4, ProtoUDP), udp4, true},
		"options":                 {options, udp4, true},
		"cut before the ports":    {whole(a4, b4, ProtoUDP)[:23], unknown, true},
		"cut behind the header":   {whole(a4, b4, ProtoUDP)[:20], unknown, true},
		"cut in the header":       {whole(a4, b4, ProtoUDP)[:19], Flow{}, false},
		"a later fragment":        {later, unknown, true},
		"no ports":                {whole(a4, b4, ProtoESP), Flow{Src: a4, Dst: b4, Proto: ProtoESP}, true},
		"IPv6":                    {whole(a6, b6, ProtoUDP), Flow{Src: a6, Dst: b6, Proto: ProtoUDP, SrcPort: 7, DstPort: 9}, true},
		"IPv6, cut":               {whole(a6, b6, ProtoUDP)[:39], Flow{}, false},
		"header length too small": {short, Flow{}, false},
		"mapped":                  {whole(mapped, b6, ProtoUDP), Flow{}, false},
		"nothing":                 {nil, Flow{}, false},
	}
	for name, tt := range tests {
		if f, ok := ParseQuote(tt.ip); f != tt.want || ok != tt.ok {
			t.Errorf("%s: %v %t, want %v %t", name, f, ok, tt.want, tt.ok)
		}
	}
}

// FuzzParseQuote holds it to ParseFlow where that takes the whole packet.
func FuzzParseQuote(f *testing.F) {
	f.Add(make([]byte, 20))
	f.Fuzz(func(t *testing.T, ip []byte) {
		q, ok := ParseQuote(ip)
		w, info, d := ParseFlow(ip)
		plain := info.HeaderLen == IPv6HeaderLen || len(ip) > 0 && ip[0]>>4 == 4
		if d == Live && plain && (!ok || q != w) {
			t.Errorf("% x: quote %v %t, flow %v", ip, q, ok, w)
		}
	})
}
