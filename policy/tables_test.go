package policy

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"warren/packet"
)

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func flow(dst string, proto uint8, port uint16) packet.Flow {
	return packet.Flow{Src: netip.MustParseAddr("10.200.0.1"), Dst: netip.MustParseAddr(dst), Proto: proto, DstPort: port}
}

func fragment(dst string, proto uint8) packet.Flow {
	f := flow(dst, proto, 0)
	f.Frag = true
	return f
}

func TestFirstMatchWins(t *testing.T) {
	tables := NewTables([]TransportRule{
		{Name: "web", Match: Match{Dst: prefixes("10.0.0.0/24"), Proto: []uint8{6}, DstPorts: []Ports{{443, 443}, {5000, 5999}}}, Action: Protect},
		{Name: "net", Match: Match{Dst: prefixes("10.0.0.0/8", "2001:db8::/32")}, Action: Plain},
		{Name: "out", Match: Match{Src: prefixes("10.200.0.0/16")}, Action: Bypass},
	}, nil, Discard)
	tests := []struct {
		f    packet.Flow
		want string
	}{
		{flow("10.0.0.1", 6, 443), "web"},
		{flow("10.0.0.1", 6, 5000), "web"},
		{flow("10.0.0.1", 6, 5999), "web"},
		{flow("10.0.0.1", 6, 6000), "net"},
		{flow("10.0.0.1", 17, 443), "net"},
		{flow("10.0.1.0", 6, 443), "net"},
		{flow("2001:db8::1", 6, 443), "net"},
		{flow("11.0.0.1", 6, 443), "out"},
		{packet.Flow{Src: netip.MustParseAddr("10.201.0.1"), Dst: netip.MustParseAddr("11.0.0.1")}, ""},
	}
	for _, tt := range tests {
		name := ""
		if r, ok := tables.Transport(tt.f); ok {
			name = r.Name
		}
		if name != tt.want {
			t.Errorf("%v: rule %q, want %q", tt.f, name, tt.want)
		}
	}
}

// RFC 4301, Section 7: non-initial fragments are no way around policy.
func TestFragmentsTakeTheStrictestRule(t *testing.T) {
	rule := func(name string, a Action, ports ...Ports) TransportRule {
		return TransportRule{Name: name, Action: a, Match: Match{DstPorts: ports}}
	}
	https := Ports{443, 443}
	tests := map[string]struct {
		rules []TransportRule
		want  string
	}{
		"not past protect":             {[]TransportRule{rule("p", Protect, https), rule("b", Bypass)}, "p"},
		"not past discard":             {[]TransportRule{rule("d", Discard, https), rule("b", Bypass)}, "d"},
		"not by a bypass with ports":   {[]TransportRule{rule("b", Bypass, https), rule("p", Protect)}, "p"},
		"plain with ports, then clear": {[]TransportRule{rule("l", Plain, https), rule("b", Bypass)}, "l"},
		"plain with ports, then more":  {[]TransportRule{rule("l", Plain, https), rule("p", Protect)}, "p"},
		"plain, then never asked":      {[]TransportRule{rule("l", Plain), rule("p", Protect)}, "l"},
		"only a bypass with ports":     {[]TransportRule{rule("b", Bypass, https)}, ""},
		"bypass for every port":        {[]TransportRule{rule("b", Bypass), rule("p", Protect)}, "b"},
		"nothing past the first whole": {[]TransportRule{rule("l", Plain, https), rule("b", Bypass), rule("d", Discard)}, "l"},
	}
	for name, tt := range tests {
		got := ""
		if r, ok := NewTables(tt.rules, nil, Discard).Transport(fragment("10.0.0.1", 6)); ok {
			got = r.Name
		}
		if got != tt.want {
			t.Errorf("%s: rule %q, want %q", name, got, tt.want)
		}
	}
	tunnel := NewTables(nil, []TunnelRule{{Match: Match{DstPorts: []Ports{https}}, Via: "a"}}, Discard)
	if _, ok := tunnel.Tunnel(fragment("10.0.0.1", 6), nil); !ok {
		t.Error("a fragment left outside the tunnel of its flow")
	}
}

func TestTunnelSkips(t *testing.T) {
	tables := NewTables(nil, []TunnelRule{{Via: "a"}, {Match: Match{Dst: prefixes("10.0.0.0/8")}, Via: "b"}}, Discard)
	if r, _ := tables.Tunnel(flow("10.0.0.1", 6, 1), nil); r.Via != "a" {
		t.Errorf("via %s", r.Via)
	}
	notA := func(via string) bool { return via == "a" }
	if r, _ := tables.Tunnel(flow("10.0.0.1", 6, 1), notA); r.Via != "b" {
		t.Errorf("via %s", r.Via)
	}
	if _, ok := tables.Tunnel(flow("11.0.0.1", 6, 1), notA); ok {
		t.Error("a rule that was to be skipped")
	}
}

// TestChangesBranch: two changes of the same tables know nothing of each other.
func TestChangesBranch(t *testing.T) {
	base := NewTables(nil, nil, Discard)
	for _, via := range []string{"a", "b", "c"} { // memory is left behind the third
		base = base.InsertTunnel(0, TunnelRule{Match: Match{Dst: prefixes("192.0.2.0/24")}, Via: via})
	}
	var branches []*Tables
	for _, via := range []string{"x", "y"} {
		branches = append(branches, base.InsertTunnel(0, TunnelRule{Via: via}))
	}
	notX := func(via string) bool { return via == "x" }
	for i, want := range []bool{false, true} {
		if _, ok := branches[i].Tunnel(flow("10.0.0.1", 6, 1), notX); ok != want {
			t.Errorf("branch %d: found is %t, want %t", i, ok, want)
		}
	}
}

func drawMatch(t *rapid.T, name string) Match {
	pick := func(what string, from ...string) []netip.Prefix {
		return prefixes(rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, 2, rapid.ID).Draw(t, name+what)...)
	}
	m := Match{
		Src:   pick(" src", "10.200.0.0/16", "10.200.0.1/32", "::/0"),
		Dst:   pick(" dst", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.1/32", "2001:db8::/32"),
		Proto: rapid.SliceOfNDistinct(rapid.SampledFrom([]uint8{1, 6, 17}), 0, 2, rapid.ID).Draw(t, name+" proto"),
	}
	if rapid.Bool().Draw(t, name+" ports") {
		m.DstPorts = rapid.SliceOfN(rapid.SampledFrom([]Ports{{0, 99}, {100, 65535}, {80, 80}, {0, 65535}}), 1, 2).Draw(t, name+" dport")
	}
	return m
}

func drawFlow(t *rapid.T) packet.Flow {
	f := packet.Flow{
		Src:   netip.MustParseAddr(rapid.SampledFrom([]string{"10.200.0.1", "10.200.0.2", "10.1.0.1"}).Draw(t, "src")),
		Dst:   netip.MustParseAddr(rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.200.0.1", "11.0.0.1"}).Draw(t, "dst")),
		Proto: rapid.SampledFrom([]uint8{1, 6, 17, 50}).Draw(t, "proto"),
		Frag:  rapid.Bool().Draw(t, "frag"),
	}
	if rapid.Bool().Draw(t, "v6") {
		f.Src, f.Dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("2001:db8::9")
	}
	if !f.Frag {
		f.DstPort = rapid.SampledFrom([]uint16{0, 80, 99, 100, 65535}).Draw(t, "dport")
	}
	return f
}

// TestTransportAgainstEveryPort holds look-ups to the plainest reading of the
// rules. What a fragment is, nobody knows: its rule must be at least as strict
// as that of its packet, whatever its ports were.
func TestTransportAgainstEveryPort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules []TransportRule
		for i := range rapid.IntRange(0, 5).Draw(t, "rules") {
			rules = append(rules, TransportRule{
				Name: fmt.Sprint(i), Match: drawMatch(t, fmt.Sprint(i)),
				Action: rapid.SampledFrom([]Action{Discard, Bypass, Plain, Protect}).Draw(t, "action"),
			})
		}
		tables := NewTables(rules, nil, Discard)
		f := drawFlow(t)
		got, ok := tables.Transport(f)
		if !f.Frag {
			want := slowTransport(rules, f)
			if ok != (want != nil) || ok && got.Name != want.Name {
				t.Fatalf("%v: got %v, want %v", f, got, want)
			}
			return
		}
		if ok && got.Action == Bypass {
			for _, port := range []uint16{0, 80, 99, 100, 65535} {
				whole := f
				whole.Frag, whole.DstPort = false, port
				if want := slowTransport(rules, whole); want != nil && want.Action != Bypass {
					t.Fatalf("fragment of %v is let out, rule %s protects it", whole, want.Name)
				}
			}
		}
	})
}

// slowTransport is the first rule of which every field has a member that f is
// in, or no members.
func slowTransport(rules []TransportRule, f packet.Flow) *TransportRule {
	for i, r := range rules {
		in := func(ps []netip.Prefix, a netip.Addr) bool {
			return Covers(PrefixSelectors(ps), a, 0, 0) || len(ps) == 0
		}
		proto, port := len(r.Match.Proto) == 0, len(r.Match.DstPorts) == 0
		for _, p := range r.Match.Proto {
			proto = proto || p == f.Proto
		}
		for _, p := range r.Match.DstPorts {
			port = port || f.DstPort >= p.Lo && f.DstPort <= p.Hi
		}
		if in(r.Match.Src, f.Src) && in(r.Match.Dst, f.Dst) && proto && port {
			return &rules[i]
		}
	}
	return nil
}

func TestUnreachableRules(t *testing.T) {
	gateway := func(peer string) []netip.Addr {
		return map[string][]netip.Addr{"sg3": {netip.MustParseAddr("203.0.113.1")}}[peer]
	}
	tables := NewTables([]TransportRule{
		{Name: "a", Match: Match{Dst: prefixes("10.0.0.0/9", "10.128.0.0/9")}, Pos: "c:1:1"},
		{Name: "b", Match: Match{Dst: prefixes("10.0.0.0/8"), Proto: []uint8{6}}, Pos: "c:2:1"},
		{Name: "c", Match: Match{Proto: []uint8{6}, DstPorts: []Ports{{0, 99}, {100, 65535}}}},
		{Name: "d", Match: Match{Proto: []uint8{6}, DstPorts: []Ports{{5, 200}}}},
		{Name: "e", Match: Match{Proto: []uint8{6, 17}}},
		{Name: "f", Match: Match{Src: prefixes("::/0"), Dst: prefixes("192.0.2.0/24")}},
	}, []TunnelRule{
		{Match: Match{Dst: prefixes("203.0.113.0/24")}, Via: "sg3", Pos: "c:9:1"},
		{Match: Match{Dst: prefixes("203.0.113.1/32")}, Via: "sg2"}, // its own gateway: not hidden
		{Match: Match{Dst: prefixes("203.0.113.2/32")}, Via: "sg2", Pos: "c:11:1"},
	}, Discard)
	want := []Shadow{
		{Index: 1, Rule: "b", Pos: "c:2:1", By: "a", ByPos: "c:1:1"},
		{Index: 3, Rule: "d", By: "c"},
		{Index: 5, Rule: "f"},
		{Tunnel: true, Index: 2, Rule: "via sg2", Pos: "c:11:1", By: "via sg3", ByPos: "c:9:1"},
	}
	got := tables.Unreachable(gateway)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestUnreachableIsTrue: no flow gets to a rule that is called unreachable.
func TestUnreachableIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules []TransportRule
		for i := range rapid.IntRange(2, 5).Draw(t, "rules") {
			rules = append(rules, TransportRule{Name: fmt.Sprint(i), Match: drawMatch(t, fmt.Sprint(i))})
		}
		tables := NewTables(rules, nil, Discard)
		f := drawFlow(t)
		r, ok := tables.Transport(f)
		for _, s := range tables.Unreachable(nil) {
			if ok && s.Rule == r.Name && !f.Frag {
				t.Fatalf("%v gets to rule %s", f, r.Name)
			}
		}
	})
}

func TestLookUpsAllocateNothing(t *testing.T) {
	tables := NewTables([]TransportRule{
		{Match: Match{Dst: prefixes("10.1.0.0/16"), Proto: []uint8{6}}}, {Match: Match{DstPorts: []Ports{{443, 443}}}},
	}, []TunnelRule{{Match: Match{Dst: prefixes("10.0.0.0/8")}, Via: "a"}}, Discard)
	f := flow("10.0.0.1", 6, 443)
	sel := Everything()
	if n := testing.AllocsPerRun(100, func() {
		tables.Transport(f)
		tables.Tunnel(f, nil)
		Covers(sel, f.Dst, f.Proto, f.DstPort)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestHostSelectors(t *testing.T) {
	m := Match{Proto: []uint8{6, 17}, DstPorts: []Ports{{443, 443}, {5000, 5999}}}
	local, remote := m.HostSelectors(netip.MustParseAddr("10.99.3.2"), netip.MustParseAddr("203.0.113.77"))
	if got, want := FormatSelectors(local), "10.99.3.2[tcp],10.99.3.2[udp]"; got != want {
		t.Errorf("local %s, want %s", got, want)
	}
	want := "203.0.113.77[tcp/443],203.0.113.77[tcp/5000-5999],203.0.113.77[udp/443],203.0.113.77[udp/5000-5999]"
	if got := FormatSelectors(remote); got != want {
		t.Errorf("remote %s, want %s", got, want)
	}
	none, _ := m.HostSelectors(netip.Addr{}, netip.MustParseAddr("203.0.113.77"))
	if none != nil {
		t.Errorf("no address has %v", none)
	}
}
