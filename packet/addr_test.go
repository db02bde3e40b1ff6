package packet

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
)

// slowSum is the checksum of RFC 1071 word by word, as an oracle.
func slowSum(parts ...[]byte) uint16 {
	all := slices.Concat(parts...)
	if len(all)%2 == 1 {
		all = append(all, 0)
	}
	sum := uint64(0)
	for i := 0; i < len(all); i += 2 {
		sum += uint64(all[i])<<8 | uint64(all[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func TestChecksum(t *testing.T) {
	data := unhex(t, "0001f203f4f5f6f7") // RFC 1071, Section 3
	if got := Checksum(data, 0); got != 0x220d {
		t.Errorf("Checksum of the RFC's example = %#04x, want 0x220d", got)
	}
	all := bytes.Repeat([]byte{0xff, 0xfe, 0x80, 0x01, 0x7f}, 30)
	for n := range len(all) {
		if got, want := Checksum(all[:n], 0), slowSum(all[:n]); got != want {
			t.Errorf("%d bytes: %#04x, want %#04x", n, got, want)
		}
	}
	if got, want := Checksum(data, 0x1ffff), slowSum([]byte{0, 1, 0xff, 0xff}, data); got != want {
		t.Errorf("with initial: %#04x, want %#04x", got, want)
	}
}

func TestUpdateChecksum16(t *testing.T) {
	// RFC 1624, Section 4: where equation 2 of RFC 1141 gives 0xffff.
	if got := UpdateChecksum16(0xdd2f, 0x5555, 0x3285); got != 0 {
		t.Errorf("UpdateChecksum16 of the RFC's example = %#04x, want 0", got)
	}
}

func FuzzUpdateChecksum(f *testing.F) {
	f.Add([]byte("sixteen bytes...and more"), uint16(0), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, to uint16, at uint8) {
		off := int(at) &^ 1
		if off+2 > len(b) {
			return
		}
		before, from := slowSum(b), be16(b[off:])
		putBE16(b[off:], to)
		want := slowSum(b)
		got := UpdateChecksum16(before, from, to)
		if got != want && (got^want) != 0xffff { // 0 and ffff are one number
			t.Errorf("updated %#04x, recomputed %#04x", got, want)
		}
	})
}

// l4Sum recomputes the upper-layer checksum of a whole packet; 0 says it holds.
func l4Sum(ip []byte, h ipHeader) uint16 {
	l4 := ip[h.headerLen:h.totalLen]
	pseudo := slices.Concat(h.src.AsSlice(), h.dst.AsSlice(),
		[]byte{0, h.proto, byte(len(l4) >> 8), byte(len(l4))})
	return slowSum(pseudo, l4)
}

// withSum returns the packet with its upper-layer checksum made right.
func withSum(t testing.TB, ip []byte) []byte {
	t.Helper()
	h, d := parseIP(ip)
	field, ok := checksumField(ip, h)
	if d != Live || !ok {
		t.Fatalf("no packet with a checksum: %v", d)
	}
	if field == nil {
		off := map[uint8]int{ProtoTCP: 16, ProtoUDP: 6, ProtoICMPv6: 2}[h.proto]
		field = ip[h.headerLen+off : h.headerLen+off+2]
	}
	putBE16(field, 0)
	putBE16(field, l4Sum(ip, h))
	if h.proto == ProtoUDP && be16(field) == 0 {
		putBE16(field, 0xffff)
	}
	return ip
}

// FuzzReplaceAddr recomputes every checksum after ReplaceAddr.
func FuzzReplaceAddr(f *testing.F) {
	f.Add([]byte("payload"), uint8(ProtoTCP), []byte("abcdefghijklmnop"), true, true)
	f.Add([]byte("payloads"), uint8(ProtoUDP), []byte{0, 0, 0, 0}, false, true)
	f.Add([]byte{}, uint8(ProtoICMPv6), bytes.Repeat([]byte{0xff}, 16), true, false)
	f.Fuzz(func(t *testing.T, payload []byte, proto uint8, to []byte, v4, src bool) {
		protos := []uint8{ProtoTCP, ProtoUDP, ProtoICMPv6}
		if len(payload) > 2000 || len(to) < 16 {
			return
		}
		proto = protos[int(proto)%len(protos)]
		a, b, addr := addr6a, addr6b, netip.AddrFrom16([16]byte(to[:16]))
		if v4 {
			a, b, addr = addr4a, addr4b, netip.AddrFrom4([4]byte(to[:4]))
		}
		if addr.Is4In6() {
			return
		}
		ip := withSum(t, ipPacket(a, b, proto, append(make([]byte, 20), payload...)))
		if !ReplaceAddr(ip, src, addr) {
			t.Fatal("ReplaceAddr refuses a whole packet")
		}
		h, d := parseIP(ip)
		got := h.dst
		if src {
			got = h.src
		}
		if d != Live || got != addr {
			t.Fatalf("address is %v (%v), want %v", got, d, addr)
		}
		if v4 && slowSum(ip[:20]) != 0 {
			t.Errorf("IPv4 header checksum is off by %#04x", slowSum(ip[:20]))
		}
		if got := l4Sum(ip, h); got != 0 {
			t.Errorf("upper-layer checksum is off by %#04x", got)
		}
	})
}

func TestReplaceAddr(t *testing.T) {
	udp4 := ipPacket(addr4a, addr4b, ProtoUDP, make([]byte, 12))
	to4, to6 := netip.MustParseAddr("10.99.1.2"), netip.MustParseAddr("fd99::2")
	t.Run("UDP checksum 0 stays", func(t *testing.T) {
		ip := slices.Clone(udp4)
		if !ReplaceAddr(ip, true, to4) || be16(ip[26:]) != 0 || slowSum(ip[:20]) != 0 {
			t.Errorf("checksums %#04x and %#04x", be16(ip[26:]), slowSum(ip[:20]))
		}
	})
	t.Run("there and back", func(t *testing.T) {
		want := withSum(t, slices.Clone(udp4))
		ip := slices.Clone(want)
		if !ReplaceAddr(ip, false, to4) || !ReplaceAddr(ip, false, addr4b) || !bytes.Equal(ip, want) {
			t.Errorf("got %x, want %x", ip, want)
		}
	})
	t.Run("first fragment", func(t *testing.T) {
		whole := withSum(t, slices.Clone(udp4))
		first := slices.Clone(whole[:28])
		SetLen(first, 28)
		first = setFrag(first, 0x2000)
		ReplaceAddr(whole, true, to4)
		if !ReplaceAddr(first, true, to4) || !bytes.Equal(first[26:28], whole[26:28]) {
			t.Errorf("checksum %x in the fragment, %x in the whole", first[26:28], whole[26:28])
		}
	})
	t.Run("later fragment keeps its payload", func(t *testing.T) {
		want := edit(udp4, 20, 1, 2, 3, 4, 5, 6, 7, 8)
		ip := setFrag(slices.Clone(want), 1)
		if !ReplaceAddr(ip, true, to4) || !bytes.Equal(ip[20:], want[20:]) || slowSum(ip[:20]) != 0 {
			t.Errorf("payload %x", ip[20:])
		}
	})
	t.Run("UDP checksum never becomes 0", func(t *testing.T) {
		want := ipPacket(to4, addr4b, ProtoUDP, make([]byte, 10))
		h, _ := parseIP(want)
		putBE16(want[28:], l4Sum(want, h)) // the sum is 0 now
		putBE16(want[26:], 0xffff)
		ip := slices.Clone(want)
		if !ReplaceAddr(ip, true, addr4a) || be16(ip[26:]) == 0xffff || !ReplaceAddr(ip, true, to4) || !bytes.Equal(ip, want) {
			t.Errorf("checksum %#04x, want 0xffff", be16(ip[26:]))
		}
	})
	refused := map[string]struct {
		ip []byte
		to netip.Addr
	}{
		"other family":      {udp4, to6},
		"no address":        {udp4, netip.Addr{}},
		"cut before sum":    {ipPacket(addr4a, addr4b, ProtoTCP, make([]byte, 16)), to4},
		"not an IP packet":  {make([]byte, 40), to4},
		"truncated":         {udp4[:20], to4},
		"v6 cut before sum": {ipPacket(addr6a, addr6b, ProtoICMPv6, make([]byte, 3)), to6},
	}
	for name, tt := range refused {
		t.Run(name, func(t *testing.T) {
			ip := slices.Clone(tt.ip)
			if ReplaceAddr(ip, true, tt.to) || !bytes.Equal(ip, tt.ip) {
				t.Error("accepted, or changed")
			}
		})
	}
	if n := testing.AllocsPerRun(100, func() { ReplaceAddr(udp4, true, to4) }); n != 0 {
		t.Errorf("ReplaceAddr allocates %v times, want 0", n)
	}
}

// setFrag writes the flags and fragment offset of an IPv4 header.
func setFrag(ip []byte, v uint16) []byte {
	setWord(ip, 6, v)
	return ip
}
