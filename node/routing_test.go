package node

import (
	"net/netip"
	"slices"
	"testing"

	"warren/host"
	"warren/policy"
)

func TestPolicyRulesKeepTheOrderAndTheFamilies(t *testing.T) {
	p := netip.MustParsePrefix
	rules := []policy.TransportRule{
		{Action: policy.Bypass, Match: policy.Match{Dst: []netip.Prefix{p("192.0.2.0/24")}, Proto: []uint8{6}, DstPorts: []policy.Ports{{Lo: 22, Hi: 22}}}},
		{Action: policy.Discard, Match: policy.Match{Src: []netip.Prefix{p("10.0.0.0/8")}, Dst: []netip.Prefix{p("192.0.2.0/24"), p("2001:db8::/32")}}},
		{Action: policy.Protect, Match: policy.Match{Proto: []uint8{6, 17}, DstPorts: []policy.Ports{{Lo: 1, Hi: 2}, {Lo: 4, Hi: 5}}}},
	}
	want := []host.PolicyRule{
		{Verdict: host.Bypass, Dst: p("192.0.2.0/24"), Proto: 6, DstPorts: host.Ports{Lo: 22, Hi: 22}},
		{Verdict: host.ToTUN, Src: p("10.0.0.0/8"), Dst: p("192.0.2.0/24")},
		{Verdict: host.ToTUN, Proto: 6, DstPorts: host.Ports{Lo: 1, Hi: 2}},
		{Verdict: host.ToTUN, Proto: 6, DstPorts: host.Ports{Lo: 4, Hi: 5}},
		{Verdict: host.ToTUN, Proto: 17, DstPorts: host.Ports{Lo: 1, Hi: 2}},
		{Verdict: host.ToTUN, Proto: 17, DstPorts: host.Ports{Lo: 4, Hi: 5}},
	}
	if got := policyRules(rules); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestFlowsOfPairSelectorsThatCanMeet(t *testing.T) {
	a := netip.MustParseAddr
	tcp443 := policy.Selector{From: a("192.0.2.77"), To: a("192.0.2.77"), Proto: 6, Ports: policy.Ports{Lo: 443, Hi: 443}}
	v6 := policy.AddrSelector(a("2001:db8::1"))
	client := policy.AddrSelector(a("10.99.3.2"))
	udp := policy.Selector{From: client.From, To: client.To, Proto: 17, Ports: policy.AnyPorts()}

	got := flowsOf([]policy.Selector{tcp443, v6}, []policy.Selector{client, udp})
	want := []host.PolicyRule{{
		Verdict: host.ToTUN, Src: netip.MustParsePrefix("192.0.2.77/32"), Dst: netip.MustParsePrefix("10.99.3.2/32"),
		Proto: 6, SrcPorts: host.Ports{Lo: 443, Hi: 443}, DstPorts: host.Ports{Lo: 0, Hi: 65535},
	}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
