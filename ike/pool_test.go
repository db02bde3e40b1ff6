package ike

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"warren/ike/message"
)

func TestPoolKeepsBack(t *testing.T) {
	tests := map[string]struct {
		prefix string
		want   []string
	}{
		"one address":     {"10.0.0.7/32", []string{"10.0.0.7"}},
		"two addresses":   {"10.0.0.6/31", []string{"10.0.0.6", "10.0.0.7"}},
		"four":            {"10.0.0.4/30", []string{"10.0.0.6"}},
		"eight":           {"10.0.0.0/29", []string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"}},
		"v6, one":         {"fd00::1/128", []string{"fd00::1"}},
		"v6, four":        {"fd00::/126", []string{"fd00::2", "fd00::3"}},
		"last of v4":      {"255.255.255.252/30", []string{"255.255.255.254"}},
		"last of v6":      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
		"host bits given": {"10.0.0.5/30", []string{"10.0.0.6"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustPool(t, tt.prefix)
			v6 := netip.MustParsePrefix(tt.prefix).Addr().Is6()
			for i, want := range tt.want {
				got, err := p.Acquire(Holder{ID: mustID(t, fmt.Sprintf("c%d.example", i))}, netip.Addr{}, v6)
				if err != nil || got.String() != want {
					t.Errorf("%d: %v %v, want %s", i, got, err, want)
				}
			}
			if a, err := p.Acquire(Holder{ID: mustID(t, "late.example")}, netip.Addr{}, v6); !errors.Is(err, ErrPoolEmpty) {
				t.Errorf("the full pool gave %v", a)
			}
			if a, err := p.Acquire(Holder{ID: mustID(t, "late.example")}, netip.Addr{}, !v6); !errors.Is(err, ErrPoolEmpty) {
				t.Errorf("the other family gave %v", a)
			}
		})
	}
	for _, bad := range [][]netip.Prefix{{{}}, {netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.0.0.128/25")}} {
		if _, err := NewPool(bad); err == nil {
			t.Errorf("NewPool(%v) succeeds", bad)
		}
	}
}

func TestPoolSticks(t *testing.T) {
	p := mustPool(t, "10.0.0.0/24")
	alice, bob := mustID(t, "alice.example"), mustID(t, "bob.example")
	a, _ := p.Acquire(Holder{ID: alice}, netip.Addr{}, false)
	again, _ := p.Acquire(Holder{ID: mustID(t, "ALICE.example")}, netip.Addr{}, false)
	if a != again {
		t.Errorf("a second session got %v, the first %v", again, a)
	}
	p.Release(Holder{ID: alice}, a)
	if len(p.Leases()) != 1 {
		t.Error("the lease went with the first of two sessions")
	}
	p.Release(Holder{ID: alice}, a)
	p.Release(Holder{ID: alice}, a) // once too often
	if len(p.Leases()) != 0 {
		t.Error("the lease stays")
	}
	b, _ := p.Acquire(Holder{ID: bob}, netip.Addr{}, false)
	if back, _ := p.Acquire(Holder{ID: alice}, netip.Addr{}, false); back != a || b == a {
		t.Errorf("alice had %v, gets %v; bob %v", a, back, b)
	}
	want := netip.MustParseAddr("10.0.0.200")
	if got, _ := p.Acquire(Holder{ID: mustID(t, "carol.example")}, want, false); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, _ := p.Acquire(Holder{ID: mustID(t, "dave.example")}, want, false); got == want || !got.IsValid() {
		t.Errorf("a leased address was leased again")
	}
	if got, _ := p.Acquire(Holder{ID: mustID(t, "erin.example")}, netip.MustParseAddr("192.0.2.1"), false); !netip.MustParsePrefix("10.0.0.0/24").Contains(got) {
		t.Errorf("an address outside the pool: %v", got)
	}
}

// No address is ever held by two identities, and none is lost.
func TestPoolRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := mustPool(t, "10.0.0.0/28", "fd00::/124")
		type held struct {
			id ID
			a  netip.Addr
		}
		var out []held
		t.Repeat(map[string]func(*rapid.T){
			"acquire": func(t *rapid.T) {
				id := mustID(t, fmt.Sprintf("c%d.example", rapid.IntRange(0, 20).Draw(t, "id")))
				v6 := rapid.Bool().Draw(t, "v6")
				want := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 20).Draw(t, "want"))})
				a, err := p.Acquire(Holder{ID: id}, want, v6)
				users := map[ID]bool{}
				for _, h := range out {
					if h.a.Is6() == v6 {
						users[h.id] = true
					}
					if err == nil && h.a == a && h.id != id {
						t.Fatalf("%v is held by %v and %v", a, h.id, id)
					}
					if err == nil && h.id == id && h.a.Is6() == v6 && h.a != a {
						t.Fatalf("%v has %v and %v", id, h.a, a)
					}
				}
				if size := map[bool]int{false: 13, true: 14}[v6]; err != nil && len(users) < size {
					t.Fatalf("empty with %d of %d addresses held", len(users), size)
				}
				if err == nil {
					out = append(out, held{id, a})
				}
			},
			"release": func(t *rapid.T) {
				if len(out) == 0 {
					t.Skip("nothing held")
				}
				i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
				p.Release(Holder{ID: out[i].id}, out[i].a)
				out = append(out[:i], out[i+1:]...)
			},
			"": func(t *rapid.T) {
				addrs := map[netip.Addr]bool{}
				for _, h := range out {
					addrs[h.a] = true
				}
				if len(p.Leases()) != len(addrs) {
					t.Fatalf("%d leases, want %d", len(p.Leases()), len(addrs))
				}
			},
		})
	})
}

func TestParseID(t *testing.T) {
	tests := map[string]ID{
		"alice.example":     {message.IDFQDN, "alice.example"},
		"@alice.example":    {message.IDFQDN, "alice.example"},
		"alice@example.org": {message.IDEmail, "alice@example.org"},
		"192.0.2.1":         {message.IDIPv4, "\xc0\x00\x02\x01"},
		"::ffff:192.0.2.1":  {message.IDIPv4, "\xc0\x00\x02\x01"},
		"2001:db8::1":       {message.IDIPv6, " \x01\r\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
		"keyid:box 7":       {message.IDKeyID, "box 7"},
		"C=CH, CN=alice":    {message.IDDN, "0\x1d1\v0\t\x06\x03U\x04\x06\x13\x02CH1\x0e0\f\x06\x03U\x04\x03\x13\x05alice"},
	}
	for s, want := range tests {
		if got, err := ParseID(s); err != nil || got != want {
			t.Errorf("ParseID(%q) = %+v, %v; want %+v", s, got, err, want)
		}
		if back, err := ParseID(want.String()); err != nil || back != want {
			t.Errorf("%q does not come back: %+v, %v", want.String(), back, err)
		}
	}
	for _, s := range []string{"", "XX=alice", "CN=", "CN=a,"} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %+v", s, id)
		}
	}
}

func TestIDMatches(t *testing.T) {
	tests := []struct {
		id      ID
		pattern string
		want    bool
	}{
		{ID{message.IDFQDN, "alice.example"}, "*.example", true},
		{ID{message.IDFQDN, "Alice.Example"}, "*.example", true},
		{ID{message.IDFQDN, "alice.example"}, "alice.example", true},
		{ID{message.IDFQDN, "alice.example.org"}, "*.example", false},
		{ID{message.IDFQDN, "example"}, "*.example", false},
		{ID{message.IDFQDN, "alice.example\x00.evil"}, "*", false},
		{ID{message.IDFQDN, "x\x00.example"}, "*.example", false},
		{ID{message.IDEmail, "a@b.example"}, "*@b.example", true},
		{ID{message.IDEmail, "a@b.example"}, "a@b.example", true},
		{ID{message.IDEmail, "a@b.example"}, "*.example", false},
		{ID{message.IDEmail, "a@b.example"}, "*", true},
		{ID{message.IDFQDN, "a@b.example"}, "*@b.example", false},
		{ID{message.IDFQDN, "a@b.example"}, "a@b.example", false},
		{ID{message.IDFQDN, "alice.example"}, "@alice.example", true},
		{ID{message.IDFQDN, "alice.example"}, "@*.example", true},
		{ID{message.IDFQDN, "192.0.2.1"}, "192.0.2.1", false},
		{ID{message.IDFQDN, "keyid:box"}, "keyid:box", false},
		{ID{message.IDKeyID, "alice.example"}, "*.example", false},
		{ID{message.IDKeyID, "box"}, "keyid:box", true},
		{ID{message.IDDN, "alice.example"}, "*.example", false},
		{mustID(t, "C=CH, CN=alice"), "C=CH, CN=alice", true},
		{mustID(t, "C=CH, CN=alice"), "C=CH, CN=*", true},
		{mustID(t, "C=CH, CN=alice"), "C=*, CN=alice", true},
		{mustID(t, "C=CH, CN=alice"), "*", true},
		{mustID(t, "C=CH, CN=alice"), "CN=*", false},
		{mustID(t, "C=CH, CN=alice"), "C=CH, CN=Alice", false},
		{mustID(t, "C=CH, CN=alice"), "C=CH, CN=a*", false},
		{mustID(t, "C=CH, CN=alice.example"), "*.example", false},
		{ID{message.IDDN, mustID(t, "C=CH, CN=alice").Data[:20]}, "C=CH, CN=*", false},
		{ID{message.IDFQDN, "CN=alice"}, "CN=*", false},
		{ID{message.IDFQDN, "CN=alice"}, "CN=alice", false},
		{ID{message.IDEmail, "CN=a@b"}, "CN=*@b", false},
		{ID{message.IDIPv4, "\xc0\x00\x02\x01"}, "192.0.2.1", true},
		{ID{message.IDIPv4, "\xc0\x00\x02\x01"}, "192.0.2.*", false},
		{ID{message.IDIPv4, "\xc0\x00\x02\x01"}, "*", true},
		{ID{message.IDNull, "x"}, "*", false},
		{ID{}, "*", false},
		{ID{message.IDFQDN, ""}, "*", false},
		{ID{message.IDFQDN, "alice.example"}, "[", false},
	}
	for _, tt := range tests {
		if got := tt.id.Matches(tt.pattern); got != tt.want {
			t.Errorf("%+v matches %q: %v", tt.id, tt.pattern, got)
		}
	}
}
