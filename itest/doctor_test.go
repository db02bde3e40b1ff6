package itest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"warren/lab"
)

// A finding is one check of doctor's.
type finding struct{ Name, Status, Detail, Fix string }

// TestDoctor spoils a machine in every way that doctor knows, and wants it found,
// and nothing else found.
func TestDoctor(t *testing.T) {
	w := newWorld(t, 3)
	for name, tt := range map[string]struct {
		edit   func(*lab.Config)
		spoil  func() (undo func())
		wrap   []string
		check  string
		status string
		want   []string // in the detail or the fix
		also   []string // other checks that may fail
	}{
		"nothing": {},
		"no capability": {wrap: []string{"setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"},
			check: "privileges", status: "fail", want: []string{"CAP_NET_ADMIN", "setcap"}, also: []string{"tun", "routing", "sockets"}},
		"no /dev/net/tun": {wrap: []string{"unshare", "--mount", "--propagation", "unchanged", "sh", "-c", `mount -t tmpfs tmpfs /dev/net && exec "$@"`, "sh"},
			check: "tun", status: "fail", want: []string{"modprobe tun"}, also: []string{"privileges"}},
		"port taken": {spoil: w.takePort, check: "ports", status: "fail", want: []string{"0.0.0.0:500", "itest", "listen.ike"}},
		"foreign address": {edit: func(c *lab.Config) { c.Listen = "192.0.2.66" },
			check: "ports", status: "fail", want: []string{"192.0.2.66", "listen.address"}},
		"device taken": {spoil: w.takeDevice, check: "device", status: "fail", want: []string{"warren0", "ip link del"}},
		"unknown peer in a rule": {edit: func(c *lab.Config) { c.Tunnel[0].Via = "sg9" },
			check: "configuration", status: "fail", want: []string{"sg9", "warren check"}},
		"no way to a peer": {spoil: w.loseRoute, check: "peers", status: "fail", want: []string{"sg1", "no route to host"}},
		"narrow path":      {spoil: w.narrow, check: "peers", status: "warn", want: []string{"1300 bytes"}},
		"strict filters":   {spoil: w.strict, check: "rp_filter", status: "ok", want: []string{"strict on", "loose while it runs"}},
		"strict filters for good": {spoil: w.strict, wrap: []string{"unshare", "--mount", "--propagation", "unchanged", "sh", "-c", `mount --bind -o ro /proc/sys /proc/sys && exec "$@"`, "sh"},
			check: "rp_filter", status: "fail", want: []string{"--sysctl"}},
		"a gateway that does not forward": {edit: func(c *lab.Config) {
			c.Accept, c.PSK = []lab.Accept{{Name: "road", IDs: []string{"*"}, Pool: []string{"10.99.9.0/24"}, Modes: []string{"tunnel"}}}, "secret"
		}, check: "ip_forward", status: "warn", want: []string{"forwarding: true"}},
		"killed": {spoil: w.killed, check: "daemon", status: "warn", want: []string{"alice.journal", "cleans up"}},
		"running in plain mode": {spoil: w.running(lab.Mode{Offloads: []string{"none"}}), check: "dataplane", status: "warn",
			want: []string{"tso is off", "gso is off", "gro is off"}},
		"running": {spoil: w.running(lab.Mode{Offloads: []string{"all"}}), check: "dataplane", status: "ok", want: []string{"workers"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer w.use(t)()
			c := w.SenderConfig(1, true)
			if tt.edit != nil {
				tt.edit(&c)
			}
			file, err := w.Sender.WriteConfig(c)
			must(t, err)
			if tt.spoil != nil {
				defer tt.spoil()()
			}
			for _, got := range w.doctor(file, tt.wrap) {
				text := got.Detail + " " + got.Fix
				switch {
				case got.Name == tt.check:
					for _, want := range tt.want {
						if !strings.Contains(text, want) {
							t.Errorf("%s says %q, want %q in it", got.Name, text, want)
						}
					}
					if got.Status != tt.status {
						t.Errorf("%+v, want %s", got, tt.status)
					}
				case got.Status == "fail" && !slices.Contains(tt.also, got.Name):
					t.Errorf("%+v, and nothing is wrong there", got)
				}
			}
		})
	}
}

// doctor runs the command at the sender. It fails if a check does, and only then.
func (w *world) doctor(file string, wrap []string) []finding {
	w.t.Helper()
	path, err := warrenBinary()
	must(w.t, err)
	before, err := w.Sender.Snapshot(w.ctx)
	must(w.t, err)
	out, err := w.Sender.Run(w.ctx, append(slices.Clone(wrap), path, "doctor", "-c", file, "-o", "json")...)
	var r struct {
		OK     bool
		Checks []finding
	}
	if bad := json.Unmarshal([]byte(out), &r); bad != nil || r.OK != (err == nil) || len(r.Checks) < 10 {
		w.t.Fatalf("doctor ends with %v, %v and prints %s", err, bad, out)
	}
	after, err := w.Sender.Snapshot(w.ctx)
	must(w.t, err)
	if diff := before.Diff(after); len(diff) > 0 {
		w.t.Errorf("doctor changed %v", diff)
	}
	return r.Checks
}

func (w *world) takeDevice() (undo func()) {
	w.t.Helper()
	must(w.t, w.Sender.IP(w.ctx, "link add warren0 type veth peer name warren1"))
	return func() { must(w.t, w.Sender.IP(w.ctx, "link del warren0")) }
}

func (w *world) loseRoute() (undo func()) {
	w.t.Helper()
	must(w.t, w.Sender.IP(w.ctx, "route add unreachable "+w.Gateways[0].Addr.String()))
	return func() { must(w.t, w.Sender.IP(w.ctx, "route del unreachable "+w.Gateways[0].Addr.String())) }
}

func (w *world) narrow() (undo func()) {
	w.t.Helper()
	to := w.Gateways[0].Addr.String()
	must(w.t, w.Sender.IP(w.ctx, "route add "+to+" via 192.0.2.129 mtu 1300"))
	return func() { must(w.t, w.Sender.IP(w.ctx, "route del "+to)) }
}

func (w *world) strict() (undo func()) {
	w.t.Helper()
	const key = "net.ipv4.conf.all.rp_filter"
	must(w.t, w.Sender.Sysctl(w.ctx, key, "1"))
	return func() { must(w.t, w.Sender.Sysctl(w.ctx, key, "0")) }
}

// killed leaves what a daemon leaves that was killed, until the next one has gone.
func (w *world) killed() (undo func()) {
	w.t.Helper()
	d := w.start(w.Sender, w.SenderConfig(1, true))
	d.Kill()
	return func() {
		next := w.start(w.Sender, w.SenderConfig(1, true))
		must(w.t, next.Stop())
	}
}

func (w *world) running(m lab.Mode) func() (undo func()) {
	return func() func() {
		w.t.Helper()
		c := w.SenderConfig(1, true)
		c.Mode = m
		d := w.start(w.Sender, c)
		return func() { must(w.t, d.Stop()) }
	}
}
