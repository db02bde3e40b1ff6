package classbench

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"warren/packet"
)

func (r *Rule) holds(f packet.Flow) bool {
	in := func(p netip.Prefix, a netip.Addr) bool { return !p.IsValid() || p.Contains(a) }
	return in(r.Src, f.Src) && in(r.Dst, f.Dst) && (r.Proto == anyProto || r.Proto == f.Proto) &&
		r.SrcPorts.Lo <= f.SrcPort && f.SrcPort <= r.SrcPorts.Hi && r.DstPorts.Lo <= f.DstPort && f.DstPort <= r.DstPorts.Hi
}

func TestSharesAddUp(t *testing.T) {
	for _, s := range Seeds() {
		for _, p := range s.parts {
			kinds, pairs := 0, 0
			for _, k := range p.kinds {
				kinds += k.share
			}
			for _, l := range p.pairs {
				pairs += l.share
			}
			if kinds != 100 || pairs != 100 {
				t.Errorf("%s: kinds have shares of %d, pairs of %d, want 100", s.Name, kinds, pairs)
			}
		}
	}
}

// TestRules: they are different, of both families, wide ones behind, and most
// flows are within one.
func TestRules(t *testing.T) {
	for _, s := range Seeds() {
		const n = 2000
		g := New(Options{Seed: s, IPv6: 20, Size: n}, rand.NewPCG(1, 1))
		rules := g.Rules(n)
		seen, v6 := make(map[Rule]bool), 0
		for i, r := range rules {
			if seen[r] || r.SrcPorts.Lo > r.SrcPorts.Hi || r.DstPorts.Lo > r.DstPorts.Hi || r.Src.Masked() != r.Src || r.Dst.Masked() != r.Dst {
				t.Fatalf("%s: %+v", s.Name, r)
			}
			if seen[r] = true; i > 0 && r.width() > rules[i-1].width() {
				t.Fatalf("%s: %+v before %+v", s.Name, rules[i-1], r)
			}
			if r.Src.Addr().Is6() || r.Dst.Addr().Is6() {
				v6++
			}
		}
		if v6 < n/10 || v6 > n/3 {
			t.Errorf("%s: %d of %d rules are for IPv6", s.Name, v6, n)
		}
		hits := 0
		for _, f := range g.Flows(rules, 500) {
			for i := range rules {
				if rules[i].holds(f) {
					hits++
					break
				}
			}
		}
		if hits < 400 {
			t.Errorf("%s: %d of 500 flows are within a rule", s.Name, hits)
		}
	}
}

func TestSameAgain(t *testing.T) {
	o := Options{Seed: Seeds()[3], IPv6: 20, Size: 100}
	a, b := New(o, rand.NewPCG(1, 1)), New(o, rand.NewPCG(1, 1))
	rules, again := a.Rules(100), b.Rules(100)
	for i := range rules {
		if rules[i] != again[i] {
			t.Fatalf("rule %d is %+v and %+v", i, rules[i], again[i])
		}
	}
	if f, g := a.Flows(rules, 1), b.Flows(again, 1); f[0] != g[0] {
		t.Errorf("flows %+v and %+v", f, g)
	}
}

func TestFiles(t *testing.T) {
	var rules, trace strings.Builder
	err := WriteRules(&rules, []Rule{
		{netip.MustParsePrefix("192.0.2.0/24"), netip.Prefix{}, anyPorts(), Ports{80, 443}, tcp},
		{netip.Prefix{}, netip.MustParsePrefix("198.51.100.1/32"), Ports{1024, 65535}, anyPorts(), anyProto},
	})
	const want = "@192.0.2.0/24\t0.0.0.0/0\t0 : 65535\t80 : 443\t0x06/0xff\n@0.0.0.0/0\t198.51.100.1/32\t1024 : 65535\t0 : 65535\t0x00/0x00\n"
	if err != nil || rules.String() != want {
		t.Errorf("rules, %v:\n%s\nwant\n%s", err, &rules, want)
	}
	err = WriteTrace(&trace, []packet.Flow{{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("0.0.1.0"), Proto: 6, SrcPort: 7, DstPort: 443}})
	if err != nil || trace.String() != "3221225985\t256\t7\t443\t6\n" {
		t.Errorf("trace, %v: %q", err, &trace)
	}
}
