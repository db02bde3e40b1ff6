package lab

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// needRoot skips where the kernel won't let us build a network, and fails
// there in CI.
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

func figure2(t *testing.T, gateways int) (*Network, context.Context) {
	t.Helper()
	needRoot(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	n, err := Figure2(ctx, Options{}, gateways)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if left := n.Left(); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return n, ctx
}

func TestFigure2Connects(t *testing.T) {
	n, ctx := figure2(t, 4)
	targets := []netip.Addr{n.ReceiverAddr, n.ReceiverAddr6}
	for _, g := range n.Gateways {
		targets = append(targets, g.Addr, g.Addr6)
	}
	for _, to := range targets {
		st, err := n.Sender.Ping(ctx, to, 2, 10*time.Millisecond)
		if err != nil || st.Lost() != 0 || st.Average == 0 {
			t.Errorf("ping %v: %+v, %v", to, st, err)
		}
	}
	st, err := n.Sender.Ping(ctx, netip.MustParseAddr("192.0.2.5"), 2, 10*time.Millisecond)
	if err != nil || st.Lost() != 2 {
		t.Errorf("ping of nobody: %+v, %v", st, err)
	}
}

func TestCaptureAndIperf(t *testing.T) {
	n, ctx := figure2(t, 3)
	c, err := n.Sender.Capture(Device(n.Router), "tcp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Receiver.StartIperfServer(5201); err != nil {
		t.Fatal(err)
	}
	res, err := n.Sender.Iperf(ctx, n.ReceiverAddr, 5201, "--bytes", "10M")
	if err != nil {
		t.Fatal(err)
	}
	if res.Bytes < 1<<20 || res.BitsPerSec <= 0 { // the last ones may still be under way at the end
		t.Errorf("iperf3: %+v, want some of 10 MiB and a rate", res)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := countPackets(t, c.File); n < 10 {
		t.Errorf("captured %d packets, want many", n)
	}
	if _, err := n.Sender.Iperf(ctx, n.ReceiverAddr, 5202); err == nil {
		t.Error("iperf3 without a server succeeds")
	}
}

func countPackets(t *testing.T, file string) int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if r.LinkType() != layers.LinkTypeEthernet {
		t.Errorf("link type %v, want Ethernet", r.LinkType())
	}
	for n := 0; ; n++ {
		if _, _, err := r.ReadPacketData(); err != nil {
			return n
		}
	}
}

func TestCloseEndsStrays(t *testing.T) {
	n, ctx := figure2(t, 3)
	// A daemon that leaves its process group and its parent is found by its namespace.
	out, err := n.Sender.Run(ctx, "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(out)
	if _, err := os.Stat("/proc/" + pid); err != nil {
		t.Fatalf("stray is not running: %v", err)
	}
	n.Close()
	gone := func() error {
		if left := n.Left(); len(left) != 0 {
			return os.ErrExist
		}
		return nil
	}
	if err := Poll(5*time.Second, gone); err != nil {
		t.Errorf("left: %v", n.Left())
	}
}

func TestLeftSees(t *testing.T) {
	n, _ := figure2(t, 3)
	left := strings.Join(n.Left(), "\n")
	for _, want := range []string{"sleep infinity", "directory "} {
		if !strings.Contains(left, want) {
			t.Errorf("an open lab: Left() = %q, want %q in it", left, want)
		}
	}
}

func TestSweepRemovesOnlyDeadLabs(t *testing.T) {
	base := t.TempDir()
	dead := filepath.Join(base, dirPrefix+"4194305-x") // above the largest process id
	live := filepath.Join(base, dirPrefix+strconv.Itoa(os.Getpid())+"-x")
	for _, d := range []string{dead, live} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sweep(base)
	if _, err := os.Stat(dead); err == nil {
		t.Error("a dead lab's directory is still there")
	}
	if _, err := os.Stat(live); err != nil {
		t.Error("a live lab's directory is gone")
	}
}

func TestStartReportsWhyItEnded(t *testing.T) {
	n, _ := figure2(t, 3)
	_, err := n.Sender.Start(Spec{Name: "bad", Args: []string{"sh", "-c", "echo no such luck; exit 3"},
		Ready: func() error { return os.ErrNotExist }})
	if err == nil || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("Start = %v, want the log in it", err)
	}
}

func TestParsePing(t *testing.T) {
	tests := map[string]struct {
		out  string
		want PingStats
		ok   bool
	}{
		"all came back": {"3 packets transmitted, 3 received, 0% packet loss, time 2ms\nrtt min/avg/max/mdev = 0.1/0.25/0.3/0.1 ms",
			PingStats{Sent: 3, Received: 3, Average: 250 * time.Microsecond}, true},
		"errors":   {"2 packets transmitted, 0 received, +2 errors, 100% packet loss", PingStats{Sent: 2, Errors: 2}, true},
		"not ping": {"sh: ping: not found", PingStats{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := parsePing(tt.out)
			got.Output = ""
			if got != tt.want || ok != tt.ok {
				t.Errorf("parsePing = %+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}
