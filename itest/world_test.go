package itest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// quick is for what takes a few round trips, patient for what waits for
// timers or a busy machine.
const (
	quick   = 10 * time.Second
	patient = 40 * time.Second
)

// TestMain keeps what the tests write in one directory, and removes it at the
// end, also after Ctrl-C. The labs' processes die with this one.
func TestMain(m *testing.M) {
	dir, err := lab.TempDir(os.TempDir())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		os.RemoveAll(dir)
		os.Exit(130)
	}()
	scratch = dir
	warrenBinary = sync.OnceValues(func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		return lab.Build(ctx, dir)
	})
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// scratch is the tests' directory.
var scratch string

// warrenBinary builds warren when the first test asks, once for all.
var warrenBinary func() (string, error)

// A world is one figure 2 with the daemons of a test.
type world struct {
	*lab.Network
	t   *testing.T
	ctx context.Context
}

// newWorld builds the network and has it taken away, with a look at what is
// left, when the test ends.
func newWorld(t *testing.T, gateways int) *world {
	t.Helper()
	need(t, "nsenter", "ip", "tcpdump", "iperf3", "ping", "nft")
	warren, err := warrenBinary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	n, err := lab.Figure2(ctx, lab.Options{Dir: scratch, Warren: warren, Mode: mode(t)}, gateways)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Network: n, t: t, ctx: ctx}
	t.Cleanup(w.end)
	return w
}

func (w *world) end() {
	if w.t.Failed() {
		for _, p := range w.Processes() {
			w.t.Logf("last words of %s:\n%s", p.Name, p.Tail(40))
		}
	}
	if err := w.Close(); err != nil {
		w.t.Error(err)
	}
	if left := w.Left(); len(left) > 0 {
		w.t.Errorf("left behind: %v", left)
	}
}

// need skips without root or a program, and fails there in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = p
		}
	}
	switch {
	case runtime.GOOS != "linux":
		t.Skip("network namespaces are Linux's")
	case missing != "" && os.Getenv("CI") != "":
		t.Fatalf("CI must run this, and it needs %s", missing)
	case missing != "":
		t.Skipf("needs %s", missing)
	}
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs a warren in a node.
func (w *world) start(n *lab.Node, c lab.Config) *lab.Warren {
	w.t.Helper()
	d, err := n.StartWarren(w.ctx, c)
	must(w.t, err)
	return d
}

// gateways runs warren at the first count gateways.
func (w *world) gateways(count int) []*lab.Warren {
	w.t.Helper()
	var ds []*lab.Warren
	for _, g := range w.Gateways[:count] {
		ds = append(ds, w.start(g.Node, w.GatewayConfig(g)))
	}
	return ds
}

// charon runs strongSwan as a gateway.
func (w *world) charon(g lab.Gateway) *lab.Charon {
	w.t.Helper()
	must(w.t, g.Forward(w.ctx))
	ch, err := g.StartCharon(w.ctx, w.CharonGateway(g))
	must(w.t, err)
	return ch
}

// pings sends count pings to the receiver and wants every answer.
func (w *world) pings(count int) {
	w.t.Helper()
	st, err := w.Sender.Ping(w.ctx, w.ReceiverAddr, count, 50*time.Millisecond)
	must(w.t, err)
	if st.Lost() != 0 {
		w.t.Fatalf("%d of %d pings were lost:\n%s", st.Lost(), st.Sent, st.Output)
	}
}

// command runs a verb against a daemon and wants it to succeed.
func (w *world) command(d *lab.Warren, args ...string) string {
	w.t.Helper()
	out, err := d.Command(w.ctx, args...)
	must(w.t, err)
	return out
}

// noSAs waits until a warren has neither accepted sessions nor SAs.
func (w *world) noSAs(d *lab.Warren) {
	w.t.Helper()
	must(w.t, d.WaitAccepted(w.ctx, 0, quick))
	sas, err := d.Client().SAs(w.ctx)
	must(w.t, err)
	if len(sas) != 0 {
		w.t.Errorf("%s has %d SAs left: %+v", d.Name, len(sas), sas)
	}
}

// listSAs is what strongSwan has.
func (w *world) listSAs(ch *lab.Charon) []lab.CharonSA {
	w.t.Helper()
	sas, err := ch.SAs(w.ctx)
	must(w.t, err)
	return sas
}

// picked lists the events of one kind as "LAYER PEER", joined.
func picked(events []control.Event, kind string) string {
	var got []string
	for _, s := range lab.Kinds(events) {
		if rest, ok := strings.CutPrefix(s, kind+" "); ok {
			got = append(got, rest)
		}
	}
	return strings.Join(got, ", ")
}

// is matches an event by kind and layer.
func is(kind string, layer int) func(control.Event) bool {
	return func(ev control.Event) bool { return ev.Kind == kind && ev.Layer == layer }
}
