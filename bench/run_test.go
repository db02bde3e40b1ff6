package bench

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("network namespaces need root")
	}
	t.Skip("network namespaces need root")
}

// TestRun takes all the steps once, with the system that needs no daemon.
func TestRun(t *testing.T) {
	needRoot(t)
	r, err := Run(t.Context(), Options{Rounds: 1, Seconds: 1, Probe: 20, Pings: 5, Systems: []string{"veth"}}, Tools{})
	if err != nil || len(r.Rounds) != 1 {
		t.Fatalf("Run: %d rounds, %v", len(r.Rounds), err)
	}
	got := r.Rounds[0]
	if got.Error != "" {
		t.Error(got.Error)
	}
	for _, m := range Metrics() {
		v, ok := got.Figures[m.Key]
		if !ok || v < 0 || v == 0 && m.Key != Daemons4 {
			t.Errorf("%s is %v, %v", m.Key, v, ok)
		}
	}
	if about := r.Systems["veth"]; about.MTU != 1500 {
		t.Errorf("about it: %+v", about)
	}
}

// TestRunEnds interrupts a transfer.
func TestRunEnds(t *testing.T) {
	needRoot(t)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	r, err := Run(ctx, Options{Rounds: 1, Seconds: 60, Systems: []string{"veth"}}, Tools{})
	if !errors.Is(err, context.DeadlineExceeded) || len(r.Rounds) != 0 {
		t.Errorf("Run: %+v, %v", r.Rounds, err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

// TestRunOnly measures one figure of all.
func TestRunOnly(t *testing.T) {
	needRoot(t)
	r, err := Run(t.Context(), Options{Rounds: 1, Pings: 3, Systems: []string{"veth"}, Only: []string{RTTIdle}}, Tools{})
	if err != nil || len(r.Rounds) != 1 || len(r.Rounds[0].Figures) != 1 || r.Rounds[0].Figures[RTTIdle] <= 0 {
		t.Errorf("Run: %+v, %v", r, err)
	}
	if _, err := Run(t.Context(), Options{Only: []string{"tcp2"}}, Tools{}); err == nil || !strings.Contains(err.Error(), "tcp1") {
		t.Errorf("a figure that there is not: %v", err)
	}
}

func TestPick(t *testing.T) {
	all, err := Pick(nil)
	if err != nil || len(all) != len(Systems()) {
		t.Errorf("Pick of nothing: %d systems, %v; want all", len(all), err)
	}
	some, err := Pick([]string{"warren-2", "veth"})
	if err != nil || len(some) != 2 || some[0].Name != "veth" || some[1].layers != 2 {
		t.Errorf("Pick of two: %+v, %v", some, err)
	}
	if _, err := Pick([]string{"veth", "warren-9"}); err == nil {
		t.Error("Pick knows warren-9")
	}
	if !slices.ContainsFunc(all, func(s System) bool { return s.Name == Baseline }) {
		t.Error("the baseline is no system")
	}
}

func TestNested(t *testing.T) {
	c := nested(3)
	if len(c.Peers) != 3 || len(c.Tunnel) != 3 {
		t.Fatalf("%d peers and %d rules, want 3 and 3", len(c.Peers), len(c.Tunnel))
	}
	want := []string{"dst: 198.51.100.1 via g3", "dst: g3 via g2", "dst: g2 via g1"}
	for i, r := range c.Tunnel {
		if got := r.Match + " via " + r.Via; got != want[i] {
			t.Errorf("rule %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestPayload(t *testing.T) {
	for mtu, want := range map[int]int{1500: 1350, 1378: 1350, 1377: 1349, 1280: 1252} {
		if got := payload(1350, mtu); got != want {
			t.Errorf("payload(1350, %d) = %d, want %d", mtu, got, want)
		}
	}
}
