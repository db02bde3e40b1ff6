package lab

import (
	"slices"
	"testing"

	"warren/control"
)

func TestParseIperf(t *testing.T) {
	const good = `{"end":{"sum_sent":{"bytes":11,"retransmits":3},"sum_received":{"bytes":10,"seconds":2,"bits_per_second":40}}}`
	got, err := parseIperf([]byte(good))
	if want := (IperfResult{Bytes: 10, Seconds: 2, BitsPerSec: 40, Retransmits: 3}); got != want || err != nil {
		t.Errorf("parseIperf = %+v, %v; want %+v", got, err, want)
	}
	for name, out := range map[string]string{
		"an error in the JSON": `{"end":{}, "error": "unable to connect to server: Connection refused"}`,
		"not JSON":             "iperf3: unrecognized option",
	} {
		if got, err := parseIperf([]byte(out)); err == nil {
			t.Errorf("%s: parseIperf = %+v, want an error", name, got)
		}
	}
}

func TestSnapshotDiff(t *testing.T) {
	a, b := Snapshot{"link lo", "route x"}, Snapshot{"link lo", "rule y"}
	if d := a.Diff(a); d != nil {
		t.Errorf("Diff with itself: %v", d)
	}
	if d, want := a.Diff(b), []string{"- route x", "+ rule y"}; !slices.Equal(d, want) {
		t.Errorf("Diff = %v, want %v", d, want)
	}
}

func TestSnapshotSees(t *testing.T) {
	n, ctx := figure2(t, 3)
	before, err := n.Sender.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Sender.IP(ctx, "rule add fwmark 7 table 77", "route add 10.9.0.0/16 via 192.0.2.129 table 77"); err != nil {
		t.Fatal(err)
	}
	after, err := n.Sender.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d := before.Diff(after); len(d) != 2 {
		t.Errorf("Diff = %v, want the rule and the route", d)
	}
}

func TestKinds(t *testing.T) {
	got := Kinds([]control.Event{{Kind: "layer-up", Layer: 2, Peer: "sg2"}, {Kind: "node-up"}})
	if want := []string{"layer-up 2 sg2", "node-up"}; !slices.Equal(got, want) {
		t.Errorf("Kinds = %v, want %v", got, want)
	}
}

func TestTally(t *testing.T) {
	c := newTally()
	for _, n := range []uint64{0, 2, 2, 1, 64, 130, 64} {
		c.add(n)
	}
	if c.count != 5 || c.twice != 2 || c.disorder != 1 || !c.has(130) || c.has(3) || c.has(1000) {
		t.Errorf("%+v", c)
	}
}

func TestLastAnswered(t *testing.T) {
	const out = `64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.3 ms
64 bytes from 192.0.2.1: icmp_seq=12 ttl=64 time=0.3 ms
no answer yet for icmp_seq=13
64 bytes from 192.0.2.1: icmp_seq=9 ttl=64 time=90 ms`
	if got := lastAnswered(out); got != 12 {
		t.Errorf("lastAnswered = %d, want 12", got)
	}
	if got := lastAnswered("From 192.0.2.9 icmp_seq=1 Destination Host Unreachable"); got != 0 {
		t.Errorf("lastAnswered = %d without an answer", got)
	}
}
