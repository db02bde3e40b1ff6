package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A universe small enough to try every packet: sixteen addresses of each
// family, at both ends of the address space, and four ports.
func universe() (addrs []netip.Addr, protos []uint8, ports []uint16) {
	for i := range 8 {
		low4, high4 := netip.AddrFrom4([4]byte{0, 0, 0, byte(i)}), netip.AddrFrom4([4]byte{255, 255, 255, byte(248 + i)})
		low6, high6 := [16]byte{15: byte(i)}, [16]byte{}
		for j := range high6 {
			high6[j] = 255
		}
		high6[15] = byte(248 + i)
		addrs = append(addrs, low4, high4, netip.AddrFrom16(low6), netip.AddrFrom16(high6))
	}
	return addrs, []uint8{1, 6, 17}, []uint16{0, 1, 443, 65535}
}

// everyPacket calls f with every packet of the universe.
func everyPacket(f func(a netip.Addr, proto uint8, port uint16)) {
	addrs, protos, ports := universe()
	for _, a := range addrs {
		for _, proto := range protos {
			for _, port := range ports {
				f(a, proto, port)
			}
		}
	}
}

func drawSelector(t *rapid.T, name string) Selector {
	addrs, _, ports := universe()
	a := rapid.SampledFrom(addrs).Draw(t, name+" from")
	b := rapid.SampledFrom(addrs).Filter(func(b netip.Addr) bool { return b.Is4() == a.Is4() }).Draw(t, name+" to")
	lo, hi := rapid.SampledFrom(ports).Draw(t, name+" lo"), rapid.SampledFrom(ports).Draw(t, name+" hi")
	return Selector{
		From: minAddr(a, b), To: maxAddr(a, b),
		Proto: rapid.SampledFrom([]uint8{0, 6, 17}).Draw(t, name+" proto"),
		Ports: Ports{min(lo, hi), max(lo, hi)},
	}
}

func drawSelectors(t *rapid.T, name string) []Selector {
	var out []Selector
	for i := range rapid.IntRange(0, 4).Draw(t, name) {
		out = append(out, drawSelector(t, fmt.Sprint(name, i)))
	}
	return out
}

// TestIntersectSelectsWhatBothSelect: for every packet.
func TestIntersectSelectsWhatBothSelect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSelectors(t, "a"), drawSelectors(t, "b")
		both := Intersect(a, b)
		everyPacket(func(addr netip.Addr, proto uint8, port uint16) {
			want := Covers(a, addr, proto, port) && Covers(b, addr, proto, port)
			if got := Covers(both, addr, proto, port); got != want {
				t.Fatalf("%v/%d/%d: %t, want %t in %v", addr, proto, port, got, want, both)
			}
		})
	})
}

// TestCoversSelectorIsSound: what it calls covered is, packet by packet.
// Completeness is TestCoversSelectorAddsUp's.
func TestCoversSelectorIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sel, s := drawSelectors(t, "sel"), drawSelector(t, "s")
		if !CoversSelector(sel, s) {
			return
		}
		everyPacket(func(addr netip.Addr, proto uint8, port uint16) {
			if s.Contains(addr, proto, port) && !Covers(sel, addr, proto, port) {
				t.Fatalf("%v does not cover %v/%d/%d of %v", sel, addr, proto, port, s)
			}
		})
	})
}

// TestCoversSelectorAddsUp cuts a selector to pieces and finds them to cover
// it, and one of them missing not to.
func TestCoversSelectorAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSelector(t, "s")
		pieces := []Selector{s}
		for i := range rapid.IntRange(0, 3).Draw(t, "cuts") {
			c := drawSelector(t, fmt.Sprint("cut", i))
			c.Proto = 0
			var next []Selector
			for _, p := range pieces {
				next = append(next, subtract(p, c)...)
				if both, ok := p.Intersect(c); ok {
					next = append(next, both)
				}
			}
			pieces = next
		}
		if !CoversSelector(pieces, s) {
			t.Fatalf("%v does not cover %v", pieces, s)
		}
		i := rapid.IntRange(0, len(pieces)-1).Draw(t, "missing")
		if CoversSelector(slices.Delete(slices.Clone(pieces), i, i+1), s) {
			t.Fatalf("%v covers %v without %v", pieces, s, pieces[i])
		}
	})
}

func TestSelectorEdges(t *testing.T) {
	host := AddrSelector(netip.MustParseAddr("192.0.2.1"))
	half := PrefixSelectors([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")})
	all4 := Everything()[0]
	tests := map[string]struct{ got, want bool }{
		"nothing covers nothing":            {Covers(nil, host.From, 6, 1), false},
		"two halves cover the whole":        {CoversSelector(half, all4), true},
		"one half does not":                 {CoversSelector(half[:1], all4), false},
		"families differ":                   {CoversSelector(Everything()[1:], all4), false},
		"tcp does not cover any protocol":   {CoversSelector([]Selector{{From: all4.From, To: all4.To, Proto: 6, Ports: AnyPorts()}}, host), false},
		"any protocol covers tcp":           {CoversSelector([]Selector{all4}, Selector{host.From, host.To, 6, Ports{1, 1}}), true},
		"everything covers all of a host":   {CoversAddr(Everything(), netip.MustParseAddr("2001:db8::1")), true},
		"one port does not":                 {CoversAddr([]Selector{{host.From, host.To, 6, Ports{443, 443}}}, host.From), false},
		"a fragment needs every port":       {CoversFragment([]Selector{{host.From, host.To, 6, Ports{0, 65534}}}, host.From, 6), false},
		"and is content with that":          {CoversFragment([]Selector{{host.From, host.To, 6, AnyPorts()}}, host.From, 6), true},
		"zero ports are port 0":             {Covers([]Selector{{host.From, host.To, 0, Ports{}}}, host.From, 6, 1), false},
		"an invalid address is in no range": {Covers(Everything(), netip.Addr{}, 6, 1), false},
		"all of nothing":                    {CoversAll(nil, nil), true},
	}
	for name, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %t", name, tt.got)
		}
	}
}

// TestPrefixesAreTheRange: the prefixes of a range hold its addresses and no
// others, and overlap nowhere.
func TestPrefixesAreTheRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSelector(t, "s")
		ps := Prefixes([]Selector{s, s})
		addrs, _, _ := universe()
		for _, a := range addrs {
			n := 0
			for _, p := range ps {
				if p.Contains(a) {
					n++
				}
			}
			if want := s.Contains(a, s.Proto, s.Ports.Lo); (n == 1) != want || n > 1 {
				t.Fatalf("%v is in %d of %v, which is to be %v", a, n, ps, s)
			}
		}
	})
}

func TestSelectorString(t *testing.T) {
	a := netip.MustParseAddr
	tests := map[string]Selector{
		"198.51.100.0/24[tcp/443]":     {a("198.51.100.0"), a("198.51.100.255"), 6, Ports{443, 443}},
		"0.0.0.0/0":                    Everything()[0],
		"::/0":                         Everything()[1],
		"192.0.2.1[udp]":               {a("192.0.2.1"), a("192.0.2.1"), 17, AnyPorts()},
		"10.0.0.1-10.0.0.6":            RangeSelector(a("10.0.0.1"), a("10.0.0.6")),
		"2001:db8::/32[any/5000-5999]": {a("2001:db8::"), a("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), 0, Ports{5000, 5999}},
		"255.255.255.255":              AddrSelector(a("255.255.255.255")),
		"0.0.0.0/1[99]":                {a("0.0.0.0"), a("127.255.255.255"), 99, AnyPorts()},
		"invalid":                      {},
		"10.0.0.0/31[icmp/0]":          {a("10.0.0.0"), a("10.0.0.1"), 1, Ports{}},
	}
	for want, s := range tests {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := FormatSelectors(nil); got != "nothing" {
		t.Errorf("no selectors: %q", got)
	}
}
