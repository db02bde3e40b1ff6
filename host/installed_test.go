package host

import (
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInstalledReadsAsIP holds the texts to what ip(8) says of the same rules
// and routes.
func TestInstalledReadsAsIP(t *testing.T) {
	fresh(t)
	upTUN(t)
	if _, err := exec.LookPath("ip"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs ip (Debian package iproute2)")
		}
		t.Skip("needs ip")
	}
	p := netip.MustParsePrefix
	h := open(t, options(t))
	check(t, h.SetAddresses([]netip.Prefix{p("10.200.0.1/32"), p("fd00:200::1/128")}))
	check(t, h.SetPolicy([]PolicyRule{
		{Verdict: Bypass, Dst: p("192.0.2.7/32"), Proto: unix.IPPROTO_TCP, DstPorts: Ports{22, 22}},
		{Src: p("10.0.0.0/8"), Proto: unix.IPPROTO_UDP, SrcPorts: Ports{5000, 5999}},
		{Verdict: Block, Dst: p("2001:db8:1::/48"), Proto: unix.IPPROTO_ICMPV6},
		{Dst: p("203.0.113.0/24"), Proto: 99},
	}))
	check(t, h.AddRoute(p("10.99.1.2/32")))
	check(t, h.AddRoute(p("10.98.0.0/16")))
	check(t, h.AddRoute(p("fd00:99::2/128")))
	check(t, h.AddFlow(PolicyRule{Dst: p("192.0.2.8/32"), Proto: unix.IPPROTO_TCP, SrcPorts: Ports{443, 443}}))

	for _, family := range []string{"IPv4", "IPv6"} {
		flag := "-" + family[3:]
		var rules, routes []string
		for _, e := range h.Installed() {
			switch {
			case e.Family != family:
			case e.Kind == "rule":
				rules = append(rules, e.Text)
			default:
				routes = append(routes, e.Text)
			}
		}
		same := func(what string, got, want []string) {
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s %s:\n  %s\nip has\n  %s", family, what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			}
		}
		same("rules", rules, ipLines(t, flag, "rule", "show"))
		l := h.opt.layout()
		var all []string
		for _, table := range []int{l.Table, l.clients()} {
			all = append(all, ipLines(t, flag, "route", "show", "table", strconv.Itoa(table))...)
		}
		same("routes", routes, all)
	}
}

// ipLines are the lines of ip's output that are ours, without what the texts
// leave out.
func ipLines(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := run("ip", args...)
	check(t, err)
	rest := regexp.MustCompile(` (proto 87|linkdown|scope \S+|src \S+|pref \S+)`)
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if !strings.Contains(line, "proto 87") {
			continue
		}
		line = strings.ReplaceAll(line, "\t", " ")
		if strings.HasPrefix(line, "unreachable") {
			line = strings.Replace(line, " dev lo", "", 1)
		}
		lines = append(lines, strings.Join(strings.Fields(rest.ReplaceAllString(line, "")), " "))
	}
	return lines
}

// TestRoutesGo: neither the way to a peer nor what refuses its packets stays.
func TestRoutesGo(t *testing.T) {
	fresh(t)
	upTUN(t)
	h := open(t, options(t))
	for _, text := range []string{"10.99.1.2/32", "10.98.0.0/16", "fd00:99::2/128"} {
		prefix := netip.MustParsePrefix(text)
		check(t, h.AddRoute(prefix))
		if got := routesTo(h, prefix); len(got) != 2 {
			t.Errorf("%v while it is wanted: %q, want the TUN's and unreachable", prefix, got)
		}
		check(t, h.RemoveRoute(prefix))
		if got := routesTo(h, prefix); len(got) != 0 {
			t.Errorf("%v afterwards: %q", prefix, got)
		}
	}
}

func routesTo(h *Host, prefix netip.Prefix) []string {
	var out []string
	for _, e := range h.Installed() {
		if e.Kind == "route" && strings.Contains(" "+e.Text+" ", " "+prefixText(prefix, "default")+" ") {
			out = append(out, e.Text)
		}
	}
	return out
}
