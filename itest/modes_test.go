package itest

import (
	"os"
	"slices"
	"strconv"
	"testing"

	"warren/control"
	"warren/lab"
)

// modes are the ways of moving packets that the tests run in, by what WARREN_MODE
// says: as kernels old and new have it, with one worker and with several.
func modes() map[string]lab.Mode {
	return map[string]lab.Mode{
		"":        {}, // warren's own choice
		"one":     {Workers: 1},
		"many":    {Workers: 4},
		"partial": {Workers: 3, Offloads: []string{"tso"}},
		"plain":   {Offloads: []string{"none"}},
	}
}

func mode(t *testing.T) lab.Mode {
	t.Helper()
	name := os.Getenv("WARREN_MODE")
	m, ok := modes()[name]
	if !ok {
		t.Fatalf("WARREN_MODE is %q, which is no mode", name)
	}
	return m
}

// TestTransfer carries TCP by one and by several streams each way through three
// tunnels and a transport association, as the mode wants it done, and wants
// every packet accounted for and none refused that a peer has sent.
func TestTransfer(t *testing.T) {
	w := newWorld(t, 3)
	daemons := append(w.gateways(3), w.start(w.Receiver, w.ReceiverConfig()), w.start(w.Sender, w.SenderConfig(3, true)))
	_, err := w.Receiver.StartIperfServer(iperfPort)
	must(t, err)
	for _, args := range [][]string{{}, {"--parallel", "4"}, {"--reverse"}, {"--parallel", "4", "--reverse"}} {
		const bytes = 20 << 20
		res, err := w.Sender.Iperf(w.ctx, w.ReceiverAddr, iperfPort, append(args, "--bytes", strconv.Itoa(bytes))...)
		must(t, err)
		if res.Bytes < bytes-underWay {
			t.Errorf("iperf3 %v carried %d bytes, want %d", args, res.Bytes, bytes)
		}
		t.Logf("iperf3 %v: %.1f Mbit/s, %d retransmits", args, res.BitsPerSec/1e6, res.Retransmits)
	}
	for _, d := range daemons {
		w.balanced(d)
		for _, reason := range []string{"replay", "auth-failed", "no-sa", "wrong-layer", "truncated", "malformed", "selector"} {
			if n := w.drops(d)[reason]; n > 0 {
				t.Errorf("%s refused %d packets as %s", d.Name, n, reason)
			}
		}
		w.inMode(d)
	}
}

// inMode wants a daemon to move packets as the mode says, and to say why.
func (w *world) inMode(d *lab.Warren) {
	w.t.Helper()
	st, err := d.Client().Status(w.ctx)
	must(w.t, err)
	got, m := st.Dataplane, mode(w.t)
	all := len(m.Offloads) == 0
	want := control.Dataplane{
		UDPGSO: all || slices.Contains(m.Offloads, "gso"), UDPGRO: all || slices.Contains(m.Offloads, "gro"),
	}
	tso := all || slices.Contains(m.Offloads, "tso")
	switch {
	case !tso:
		want.Workers = 1
	case m.Workers > 0:
		want.Workers = m.Workers
	default:
		want.Workers = got.WorkersWanted
	}
	if got.Workers != want.Workers || got.Sockets != want.Workers || got.UDPGSO != want.UDPGSO || got.UDPGRO != want.UDPGRO ||
		slices.Contains(got.TunOffloads, "tso") != tso || slices.Contains(got.TunOffloads, "uso") != all || slices.Contains(got.TunOffloads, "io_uring") != all {
		w.t.Errorf("%s moves packets by %+v, want mode %+v", d.Name, got, m)
	}
	if (len(got.Notes) == 0) != all {
		w.t.Errorf("%s notes %q in mode %+v", d.Name, got.Notes, m)
	}
}
