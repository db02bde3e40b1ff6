package host

import (
	"bufio"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const childJournal = "WARREN_HOST_TEST_JOURNAL"

// TestMain runs the victim of TestKilledDaemonIsCleanedUp when asked to.
func TestMain(m *testing.M) {
	if path := os.Getenv(childJournal); path != "" {
		victim(path)
		return
	}
	os.Exit(m.Run())
}

// victim changes everything, says so, and waits to be killed.
func victim(path string) {
	h, err := Open(Options{Name: "alice", TUN: "warren0", Mark: testMark, Journal: path})
	if err == nil {
		err = h.SetAddresses(prefixes("10.200.0.1/32", "fd00:200::1/128"))
	}
	if err == nil {
		err = h.SetPolicy([]PolicyRule{{Dst: netip.MustParsePrefix("203.0.113.0/24")}})
	}
	if err == nil {
		err = h.AddRoute(netip.MustParsePrefix("10.99.1.0/24"))
	}
	if err == nil {
		err = h.SetForwarding(true)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return
	}
	os.Stdout.WriteString("ready\n")
	time.Sleep(time.Minute)
}

func TestKilledDaemonIsCleanedUp(t *testing.T) {
	fresh(t)
	upTUN(t)
	before := snapshot(t)
	opt := options(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childJournal+"="+opt.Journal)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, cmd.Process.Kill())
	cmd.Wait()
	if err != nil || line != "ready\n" {
		t.Fatalf("victim: %q, %v", line, err)
	}
	if s := snapshot(t); !strings.Contains(s, tablePrefix+"alice") {
		t.Errorf("the victim made no nftables table: %s", s)
	}
	if got := way(t, "10.99.1.7"); got != "warren0" {
		t.Errorf("the victim's route is not there: %s", got)
	}
	h := open(t, opt)
	if s := snapshot(t); strings.Contains(s, tablePrefix) {
		t.Errorf("the victim's nftables table outlived it: %s", s)
	}
	if got := way(t, "203.0.113.7"); got == "eth0" {
		t.Errorf("protected traffic after a crash: %s", got)
	}
	if got := way(t, "10.99.1.7"); got != "eth0" {
		t.Errorf("the victim's route outlived it: %s", got)
	}
	check(t, h.Close())
	same(t, before)
}

func TestChangedOptionsUndoTheOldOnes(t *testing.T) {
	fresh(t)
	upTUN(t)
	before := snapshot(t)
	opt := options(t)
	h, err := Open(opt)
	check(t, err)
	check(t, h.SetPolicy([]PolicyRule{{}}))
	abandon(h)
	opt.Priority, opt.Table = 1000, 42
	h = open(t, opt)
	same(t, before)
	check(t, h.SetPolicy([]PolicyRule{{}}))
	check(t, h.Close())
	same(t, before)
}

func TestLargeRuleSets(t *testing.T) {
	for _, c := range []struct {
		name  string
		ports func(int) Ports
		rules int
	}{
		{"without ports", func(int) Ports { return Ports{} }, 2000},
		{"with ports", func(int) Ports { return Ports{443, 444} }, 2000},
		{"with different ports", func(i int) Ports { return Ports{443, 444 + uint16(i)} }, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh(t)
			upTUN(t)
			before := snapshot(t)
			h := open(t, options(t))
			var rules []PolicyRule
			for i := range c.rules {
				dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
				rules = append(rules, PolicyRule{Dst: dst, Proto: 6, DstPorts: c.ports(i)})
			}
			for _, what := range []string{"first", "again", "changed"} {
				start := time.Now()
				check(t, h.SetPolicy(rules))
				t.Logf("%s: %v", what, time.Since(start))
				if what == "again" {
					rules = rules[1:]
				}
			}
			if got := way(t, rules[len(rules)-1].Dst.Addr().String(), "ipproto", "tcp", "dport", "443"); got != "warren0" {
				t.Errorf("last rule: %s", got)
			}
			start := time.Now()
			check(t, h.Close())
			t.Logf("close: %v", time.Since(start))
			same(t, before)
		})
	}
}
