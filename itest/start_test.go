package itest

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"warren/control"
	"warren/lab"
)

// TestSecondDaemonRefused starts a daemon twice on the same socket.
func TestSecondDaemonRefused(t *testing.T) {
	w := newWorld(t, 3)
	d := w.start(w.Gateways[0].Node, w.GatewayConfig(w.Gateways[0]))
	before, err := d.Node.Snapshot(w.ctx)
	must(t, err)
	out := w.refused(d.Node, d.File)
	if !strings.Contains(out, d.Socket) {
		t.Errorf("the second daemon says %q, want the socket's name in it", out)
	}
	if _, err := d.Client().Status(w.ctx); err != nil || d.Exited() {
		t.Errorf("the first daemon does not answer any more: %v", err)
	}
	after, err := d.Node.Snapshot(w.ctx)
	must(t, err)
	if diff := before.Diff(after); len(diff) > 0 {
		t.Errorf("the second daemon changed %v", diff)
	}
}

// TestCleanupAfterKill9 kills a daemon with a chain up: the next one finds what
// is left of it, works, and takes all of it away at its own end.
func TestCleanupAfterKill9(t *testing.T) {
	w := newWorld(t, 3)
	gateways := w.gateways(3)
	w.start(w.Receiver, w.ReceiverConfig())
	clean, err := w.Sender.Snapshot(w.ctx)
	must(t, err)
	c := w.SenderConfig(3, true)
	first := w.start(w.Sender, c)
	w.pings(3)
	first.Kill()

	second := w.start(w.Sender, c)
	w.pings(3)
	must(t, second.WaitChain(w.ctx, "web", control.StateUp, quick))
	must(t, second.Stop())
	after, err := w.Sender.Snapshot(w.ctx)
	must(t, err)
	if diff := clean.Diff(after); len(diff) > 0 {
		t.Errorf("left after the second daemon: %v", diff)
	}
	if _, err := os.Stat(w.Sender.Outside(second.Socket)); err == nil {
		t.Error("the socket is still there")
	}
	for _, g := range gateways {
		w.noSAs(g) // SIGTERM took the chain down in order
	}
}

// refused runs warren and wants exit code 1 and one line that says why.
func (w *world) refused(n *lab.Node, file string, wrap ...string) string {
	w.t.Helper()
	path, err := warrenBinary()
	must(w.t, err)
	p, err := n.Start(lab.Spec{Name: "refused", Args: append(slices.Clone(wrap), path, "run", "-c", file)})
	must(w.t, err)
	err = lab.Poll(quick, func() error {
		if !p.Exited() {
			return errNotYet
		}
		return nil
	})
	if err != nil {
		p.Kill()
		w.t.Fatalf("warren runs, and should not:\n%s", p.Output())
	}
	if code := p.ExitCode(); code != 1 {
		w.t.Errorf("exit code %d, want 1", code)
	}
	return p.Output()
}

// TestStartErrors has everything that can be wrong before the first packet.
func TestStartErrors(t *testing.T) {
	w := newWorld(t, 3)
	node := w.Sender
	for name, tt := range map[string]struct {
		edit  func(*lab.Config)
		spoil func() (undo func())
		wrap  []string
		want  []string // each in the message
	}{
		"unreadable secret": {spoil: func() func() { must(t, os.Remove(node.Path("self.psk"))); return func() {} },
			want: []string{"self.psk"}},
		"secret that others can read": {spoil: func() func() { must(t, os.Chmod(node.Path("self.psk"), 0o644)); return func() {} },
			want: []string{"self.psk", "chmod 600"}},
		"config with a secret that others can read": {edit: func(c *lab.Config) { c.PSK = "" },
			spoil: func() func() { w.inlineSecret(node); return func() {} }, want: []string{"alice.yaml", "chmod 600"}},
		"port taken": {spoil: w.takePort, want: []string{"500", "in use"}},
		"no /dev/net/tun": {wrap: []string{"unshare", "--mount", "--propagation", "unchanged", "sh", "-c", `mount -t tmpfs tmpfs /dev/net && exec "$@"`, "sh"},
			want: []string{"/dev/net/tun"}},
		"no CAP_NET_ADMIN": {wrap: []string{"setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"},
			want: []string{"CAP_NET_ADMIN"}},
		"address that does not parse": {edit: func(c *lab.Config) { c.Peer("sg1").Address = "192.0.2.300" },
			want: []string{"192.0.2.300", "alice.yaml:"}},
		"unknown peer in a rule": {edit: func(c *lab.Config) { c.Tunnel[0].Via = "sg9" }, want: []string{"sg9", "alice.yaml:"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer w.use(t)()
			c := w.SenderConfig(1, true)
			c.PSK = "a secret of its own"
			if tt.edit != nil {
				tt.edit(&c)
			}
			file, err := node.WriteConfig(c)
			must(t, err)
			before, err := node.Snapshot(w.ctx)
			must(t, err)
			if tt.spoil != nil {
				defer tt.spoil()()
			}
			out := w.refused(node, file, tt.wrap...)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("message %q, want %q in it", out, want)
				}
			}
			after, err := node.Snapshot(w.ctx)
			must(t, err)
			if diff := before.Diff(after); len(diff) > 0 {
				t.Errorf("left behind: %v", diff)
			}
			if _, err := os.Stat(node.Outside("/run/warren/alice.sock")); err == nil {
				t.Error("the socket is left behind")
			}
			os.Remove(node.Path("refused.log"))
		})
	}
}

// takePort occupies the sender's IKE port until the function it returns is called.
func (w *world) takePort() (release func()) {
	w.t.Helper()
	var c net.PacketConn
	must(w.t, w.Sender.Do(func() (err error) {
		c, err = net.ListenPacket("udp4", "0.0.0.0:500")
		return err
	}))
	return func() { c.Close() }
}

// inlineSecret puts the secret into the configuration and opens that to all.
func (w *world) inlineSecret(n *lab.Node) {
	w.t.Helper()
	file := n.Path("alice.yaml")
	b, err := os.ReadFile(file)
	must(w.t, err)
	text := strings.Replace(string(b), "self: {id: ", `self: {psk: "in the open", id: `, 1)
	if text == string(b) {
		w.t.Fatalf("no identity to give a secret to in:\n%s", text)
	}
	must(w.t, os.WriteFile(file, []byte(text), 0o600))
	must(w.t, os.Chmod(file, 0o644))
}
