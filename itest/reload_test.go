package itest

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"warren/control"
	"warren/lab"
)

// TestReload changes the configurations of nodes that work.
func TestReload(t *testing.T) {
	w := newWorld(t, 2)
	g := w.Gateways[0]
	gc := w.GatewayConfig(g)
	sg1 := w.start(g.Node, gc)
	w.start(w.Gateways[1].Node, w.GatewayConfig(w.Gateways[1]))
	alice := w.start(w.Sender, w.SenderConfig(2, false))
	w.pings(1)
	before := w.spis(alice)

	t.Run("another rule", func(t *testing.T) {
		done := make(chan error, 1)
		go func() {
			st, err := w.Sender.Ping(w.ctx, w.ReceiverAddr, 40, 20*time.Millisecond)
			if err == nil && st.Lost() != 0 {
				t.Errorf("%d of %d pings were lost", st.Lost(), st.Sent)
			}
			done <- err
		}()
		w.edit(alice, "  transport:\n", "  transport:\n    - {name: more, match: {dst: 198.18.0.0/15}, action: discard}\n")
		if out := w.command(alice, "reload"); out != "1 chain kept\n" {
			t.Errorf("reload says %s", out)
		}
		must(t, <-done)
		if after := w.spis(alice); after != before {
			t.Errorf("SPIs are %s, were %s", after, before)
		}
		rules, err := alice.Client().Rules(w.ctx)
		must(t, err)
		if rules[0].Name != "more" {
			t.Errorf("the first rule is %+v", rules[0])
		}
	})
	t.Run("what is wrong", func(t *testing.T) {
		for old, tt := range map[string]struct{ new, want string }{
			"name: more":        {"nome: more", "nome"},
			"name: warren0":     {"name: warren1", "the new tun takes a restart"},
			"psk_file: sg1.psk": {"psk_file: none.psk", "cannot read"},
			"via: sg1":          {"via: nowhere", "nowhere"},
			"action: discard}":  {"action: discard", ""},
		} {
			w.edit(alice, old, tt.new)
			out, err := alice.Command(w.ctx, "reload")
			if err == nil || !strings.Contains(err.Error(), "nothing has changed") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: reload says %s, %v", tt.new, out, err)
			}
			w.edit(alice, tt.new, old)
		}
		if after := w.spis(alice); after != before {
			t.Errorf("SPIs are %s, were %s", after, before)
		}
		w.pings(2)
	})
	t.Run("who may come in", func(t *testing.T) {
		events := sg1.Events(w.ctx)
		w.edit(sg1, `"*.example"`, `"carol.example"`)
		must(t, sg1.Signal(syscall.SIGHUP))
		_, err := events.Wait(0, quick, func(e control.Event) bool { return e.Kind == control.EventReload })
		must(t, err)
		must(t, sg1.WaitAccepted(w.ctx, 0, quick))
		must(t, alice.WaitChain(w.ctx, "web", control.StateFailed, patient))

		w.edit(sg1, `"carol.example"`, `"*.example"`)
		w.command(sg1, "reload")
		w.command(alice, "up", "web")
		w.pings(2)
	})
	t.Run("no rule for it any more", func(t *testing.T) {
		w.edit(alice, "name: web", "name: net")
		if out := w.command(alice, "reload"); out != "0 chains kept; gone: web; new: net\n" {
			t.Errorf("reload says %s", out)
		}
		must(t, sg1.WaitAccepted(w.ctx, 0, quick))
		w.pings(2)
	})
}

// edit replaces words in a daemon's configuration.
func (w *world) edit(d *lab.Warren, old, new string) {
	w.t.Helper()
	text, err := os.ReadFile(d.File)
	must(w.t, err)
	if !strings.Contains(string(text), old) {
		w.t.Fatalf("%q is not in\n%s", old, text)
	}
	must(w.t, os.WriteFile(d.File, []byte(strings.Replace(string(text), old, new, 1)), 0o600))
}

// spis are those of the chain web.
func (w *world) spis(d *lab.Warren) string {
	w.t.Helper()
	c, err := d.Chain(w.ctx, "web")
	must(w.t, err)
	text := c.State
	for _, l := range c.Layers {
		text += " " + l.SPIIn + "/" + l.SPIOut
	}
	return text
}
