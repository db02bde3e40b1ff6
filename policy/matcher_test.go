package policy

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestMatcher holds it to Covers and CoversFragment, for every packet.
func TestMatcher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sel := drawSelectors(t, "s")
		m := NewMatcher(sel)
		everyPacket(func(a netip.Addr, proto uint8, port uint16) {
			if got, want := m.Covers(a, proto, port), Covers(sel, a, proto, port); got != want {
				t.Fatalf("%v/%d/%d: %t, want %t by %v", a, proto, port, got, want, sel)
			}
			if got, want := m.CoversFragment(a, proto), CoversFragment(sel, a, proto); got != want {
				t.Fatalf("fragment %v/%d: %t, want %t by %v", a, proto, got, want, sel)
			}
		})
	})
}

func TestMatcherWithoutAddress(t *testing.T) {
	m := NewMatcher(append(Everything(), Selector{Ports: AnyPorts()}))
	if m.Covers(netip.Addr{}, 6, 1) || m.CoversFragment(netip.Addr{}, 6) {
		t.Error("a packet without address is covered")
	}
	if mapped := netip.MustParseAddr("::ffff:10.0.0.1"); m.Covers(mapped, 6, 1) != Covers(Everything(), mapped, 6, 1) {
		t.Error("a mapped address is covered otherwise than by Covers")
	}
	if new(Matcher).Covers(netip.MustParseAddr("10.0.0.1"), 6, 1) {
		t.Error("no selectors cover something")
	}
}

func BenchmarkMatcher(b *testing.B) {
	m := NewMatcher(Everything())
	a := netip.MustParseAddr("198.51.100.7")
	for b.Loop() {
		m.Covers(a, 6, 443)
	}
}
