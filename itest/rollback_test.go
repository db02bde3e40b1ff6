package itest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// A fault makes a gateway fail as a step of a chain, while that is tried, and
// gives back the words that the error must have besides layer and peer.
type fault struct {
	name   string
	reason []string // one of these, in any case
	inject func(w *world, g lab.Gateway, d *lab.Warren) (after func())
}

func faults() []fault {
	return []fault{
		{"silent", []string{"no answer"}, silent},
		{"wrong PSK", []string{"AUTHENTICATION_FAILED"}, changed(func(c *lab.Config) { c.PSK = "not the same" })},
		{"no common proposal", []string{"NO_PROPOSAL_CHOSEN", "INVALID_KE_PAYLOAD"}, changed(func(c *lab.Config) {
			c.Profile = &lab.Profile{IKE: []string{"aes256gcm16-prfsha512-ecp384"}, ESP: []string{"aes256gcm16"}}
		})},
		{"selectors refused", []string{"192.168.77.0/24"}, changed(func(c *lab.Config) {
			c.Accept[0].Local = []string{"192.168.77.0/24"}
		})},
		{"lease pool empty", []string{"INTERNAL_ADDRESS_FAILURE"}, poolTaken},
		{"killed after IKE_SA_INIT", []string{"no answer"}, killedInBetween},
	}
}

// TestRollback lets every gateway of every chain fail in every way, and wants
// no trace of the attempt anywhere.
func TestRollback(t *testing.T) {
	need(t, "swanctl")
	w := newWorld(t, 4)
	gateways := w.gateways(4)
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprintf("%d gateways", n), func(t *testing.T) {
			defer w.use(t)()
			alice := w.start(w.Sender, impatient(w.SenderConfig(n, false)))
			defer func() { must(t, alice.Stop()) }()
			before := w.traces(alice)
			for k := 1; k <= n; k++ {
				for _, f := range faults() {
					t.Run(fmt.Sprintf("layer %d %s", k, f.name), func(t *testing.T) {
						defer w.use(t)()
						w.failOnce(alice, gateways, k, f, before)
					})
				}
			}
			w.command(alice, "up", "web") // and the same daemon can do it when nothing fails
			w.command(alice, "down", "web")
			w.sameTraces(alice, before)
		})
	}
}

// impatient gives up on a silent peer within two seconds and waits long before
// it tries again, so that a test sees the pause in between.
func impatient(c lab.Config) lab.Config {
	c.Retransmit = &lab.Retransmit{Tries: 3, Base: 300 * time.Millisecond}
	c.RetryMin = time.Minute
	c.Profile = &lab.Profile{IKE: []string{"aes128gcm16-prfsha256-x25519"}, ESP: []string{"aes128gcm16"}}
	return c
}

// use lets the helpers report to a subtest, and gives back the way home.
func (w *world) use(t *testing.T) (restore func()) {
	old := w.t
	w.t = t
	return func() { w.t = old }
}

// failOnce breaks gateway k, tries the chain, wants nothing of it to be left,
// and mends the gateway.
func (w *world) failOnce(alice *lab.Warren, gateways []*lab.Warren, k int, f fault, before traces) {
	t, g := w.t, w.Gateways[k-1]
	t.Helper()
	after := f.inject(w, g, gateways[k-1])
	out, err := alice.Command(w.ctx, "up", "web")
	if err == nil {
		t.Errorf("up succeeds:\n%s", out)
	} else {
		checkReason(t, "the error of up", out+err.Error(), k, g.Name, f.reason)
	}
	c, err := alice.Chain(w.ctx, "web")
	must(t, err)
	if c.State != control.StateFailed || c.FailedLayer != k {
		t.Errorf("chain is %s with failed layer %d, want failed with %d", c.State, c.FailedLayer, k)
	}
	t.Logf("layer %d: %s", c.FailedLayer, c.Reason)
	checkReason(t, "the reason in status", fmt.Sprintf("layer %d %s", c.FailedLayer, c.Reason), k, g.Name, f.reason)
	if narrowed := strings.Contains(c.Reason, "narrowed"); !narrowed && !strings.Contains(c.Reason, "alice.yaml:") {
		t.Errorf("%q names no line of the configuration", c.Reason)
	}
	for _, d := range gateways[:k-1] {
		w.noSAs(d)
	}
	w.sameTraces(alice, before)
	w.command(alice, "down", "web")
	after()
	if gateways[k-1].Exited() || f.restart() {
		w.replace(gateways, k)
	}
}

// restart reports whether the fault left a gateway that is not the usual one.
func (f fault) restart() bool { return f.name != "silent" }

// replace runs the usual gateway in the place of what is there.
func (w *world) replace(gateways []*lab.Warren, k int) {
	w.t.Helper()
	for _, p := range w.Processes() {
		if p.Name == gateways[k-1].Name && !p.Exited() {
			must(w.t, p.Stop())
		}
	}
	g := w.Gateways[k-1]
	gateways[k-1] = w.start(g.Node, w.GatewayConfig(g))
}

// checkReason wants layer, peer and one of the words in a text.
func checkReason(t *testing.T, what, text string, layer int, peer string, words []string) {
	t.Helper()
	low := strings.ToLower(text)
	has := func(w string) bool { return strings.Contains(low, strings.ToLower(w)) }
	if !has("layer "+strconv.Itoa(layer)) || !has(peer) || !slices.ContainsFunc(words, has) {
		t.Errorf("%s is %q, want layer %d, %s and one of %q in it", what, text, layer, peer, words)
	}
}

// silent drops what comes to the gateway's IKE ports.
func silent(w *world, g lab.Gateway, _ *lab.Warren) func() {
	w.filter(g.Node, "udp dport { 500, 4500 } drop")
	return func() { w.unfilter(g.Node) }
}

func (w *world) filter(n *lab.Node, rule string) {
	w.t.Helper()
	script := "add table inet fault; add chain inet fault in { type filter hook input priority 0; }; add rule inet fault in " + rule
	_, err := n.Run(w.ctx, "nft", script)
	must(w.t, err)
}

func (w *world) unfilter(n *lab.Node) {
	w.t.Helper()
	_, err := n.Run(w.ctx, "nft", "delete table inet fault")
	must(w.t, err)
}

// changed restarts the gateway with another configuration.
func changed(edit func(*lab.Config)) func(*world, lab.Gateway, *lab.Warren) func() {
	return func(w *world, g lab.Gateway, d *lab.Warren) func() {
		w.t.Helper()
		must(w.t, d.Stop())
		c := w.GatewayConfig(g)
		edit(&c)
		other := w.start(g.Node, c)
		return func() { w.noSAs(other) }
	}
}

// poolTaken has another client take the only address of the gateway's pool.
func poolTaken(w *world, g lab.Gateway, d *lab.Warren) func() {
	w.t.Helper()
	small := netip.PrefixFrom(g.Pool.Addr(), 30).String() // its network, the gateway's own, one to lease, broadcast
	changed(func(c *lab.Config) { c.Accept[0].Pool = []string{small} })(w, g, d)
	carol, err := w.Router.StartCharon(w.ctx, lab.CharonConfig{LocalID: "carol.example", RemoteID: lab.GatewayID(g.Name),
		PSK: lab.SecretOf(g.Name), Local: "%any", Remote: g.Addr.String(), VirtIPs: []string{"0.0.0.0"},
		RemoteTS: []string{"203.0.113.200/32"}})
	must(w.t, err)
	must(w.t, carol.Initiate(w.ctx))
	return func() { must(w.t, carol.Stop()) }
}

// killedInBetween lets IKE_SA_INIT through, keeps what follows on port 4500
// away, and kills the gateway when that has come.
func killedInBetween(w *world, g lab.Gateway, d *lab.Warren) func() {
	w.t.Helper()
	w.filter(g.Node, "udp dport 4500 counter drop")
	done := make(chan error, 1)
	go func() {
		done <- lab.Poll(patient, func() error {
			out, err := g.Run(w.ctx, "nft", "list", "table", "inet", "fault")
			if err == nil && strings.Contains(out, "packets 0 ") {
				err = errNotYet
			}
			return err
		})
		d.Kill()
	}()
	return func() {
		if err := <-done; err != nil {
			w.t.Errorf("IKE_AUTH never came to %s: %v", g.Name, err)
		}
		w.unfilter(g.Node)
	}
}
