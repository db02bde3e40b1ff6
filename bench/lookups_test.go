package bench

import (
	"strings"
	"testing"

	"warren/bench/classbench"
)

const aclOutput = `rte_acl_build(1) finished with 0
acl context <TESTACL>@0x10004f780
  num_rules=1000
  num_categories=1
  num_tries=2
search_ip5tuples  @lcore 0: 20 iterations, 1310720 pkts, 1 categories, 405193766 cycles (0.19 sec), 309.14 cycles/pkt, 5000000.00 pkt/sec
`

func TestParseACL(t *testing.T) {
	var r ACLResult
	if err := r.parse([]byte(aclOutput)); err != nil || r.Lookup != 200 || r.Tries != 2 || r.Build != 0.19 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "num_tries=2\n", strings.ReplaceAll(aclOutput, "5000000.00", "0.00")} {
		if err := r.parse([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

// TestSameAsACL has dpdk-test-acl judge first matches.
func TestSameAsACL(t *testing.T) {
	if !hasACL() {
		t.Skipf("%s is not installed (Debian's dpdk-dev has it)", aclProgram)
	}
	s := newRuleSet(classbench.Mix(), 1000, 0)
	s.flows = s.flows[:4096]
	files, err := s.aclFiles(t.TempDir())
	if err == nil {
		err = s.checkACL(t.Context(), files)
	}
	if err != nil {
		t.Error(err)
	}
	s.rules[0], s.rules[999] = s.rules[999], s.rules[0]
	if files, err = s.aclFiles(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if err := s.checkACL(t.Context(), files); err == nil {
		t.Error("no difference although two rules have changed places")
	}
}

func TestLookupsPage(t *testing.T) {
	l := newRuleSet(classbench.Mix(), 200, 20).measure(1)
	if l.Transport.Median <= 0 || l.Tunnel.Median <= 0 || l.Fragment.Median <= 0 || l.Change.Median <= 0 || l.Bytes <= 0 {
		t.Errorf("%+v", l)
	}
	l.Transport, l.IPv6 = Summary{1, 300, 300, 300}, 0
	l.ACL = []ACLResult{{Algorithm: "scalar", Lookup: 200, Build: 1.5, Memory: 2e5, Tries: 2}, {Algorithm: "avx512x32", Error: "not here"}}
	page := LookupsPage([]Lookups{l}, LookupOptions{Rounds: 1})
	for _, want := range []string{"| 200, mix ", "300 (300–300)", " 200 |  1.5× |", "| 1000 |", "* mix, 200 rules, avx512x32: not here\n", "medians over 1 rounds", "up to 10000 rules"} {
		if !strings.Contains(strings.Join(strings.Fields(page), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
}
