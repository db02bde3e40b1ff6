package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/control"
)

// fakeDaemon is a node that answers what it is given.
type fakeDaemon struct {
	*control.EventLog
	status control.Status
	fail   error
}

var _ control.Backend = (*fakeDaemon)(nil)

func (d *fakeDaemon) Version() control.Version {
	return control.Version{Version: "test", Node: "alice"}
}
func (d *fakeDaemon) Status() control.Status { return d.status }
func (d *fakeDaemon) SAs() []control.SA {
	return []control.SA{{SPI: "0x00001001", Direction: "in", Peer: "sg1", Layer: 1, Mode: "tunnel",
		LocalTS: []string{"10.99.1.2"}, RemoteTS: []string{"0.0.0.0/0"}, Packets: 7, Bytes: 12345}}
}
func (d *fakeDaemon) IKE() []control.IKE {
	return []control.IKE{{Peer: "sg1", Layer: 1, Role: "initiator", State: "up", LocalID: "alice.example", LocalProof: "pre-shared key",
		RemoteID: "sg1.example", RemoteProof: "certificate, ECDSA with SHA-256", RemoteSubject: "CN=sg1", NAT: true, Fragments: true,
		Children: 1, ChildSAs: []control.ChildSA{{SPIIn: "0x00001001", SPIOut: "0x00002002", State: "lingering"}}, RekeySeconds: 3600}}
}
func (d *fakeDaemon) Certificates() []control.Certificate {
	return []control.Certificate{{Kind: "own", Identity: "outer", Subject: "CN=alice", Issuer: "CN=ca", SANs: []string{"alice.example"}, Serial: "1f",
		NotAfter: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), DaysLeft: 5, File: "alice.crt"},
		{Kind: "peer", Accepted: true, Peer: "road", PeerID: "carol.example", Layer: 2}}
}
func (d *fakeDaemon) Keys() (control.Keys, error) {
	return control.Keys{IKE: []string{"1,2,3"}, ESP: []string{"a", "b"}, LeftOut: []string{"child SA 0x1"}}, d.fail
}
func (d *fakeDaemon) Reload() (control.Reloaded, error) {
	return control.Reloaded{Kept: []string{"web"}, Again: []string{"rest"}, Warnings: []string{"a.yaml:3:1: warning: doubtful"}}, d.fail
}
func (d *fakeDaemon) Rules() []control.Rule    { return nil }
func (d *fakeDaemon) Leases() []control.Lease  { return nil }
func (d *fakeDaemon) Routes() []control.Route  { return nil }
func (d *fakeDaemon) Drops() map[string]uint64 { return map[string]uint64{"replay": 3, "no-sa": 0} }

func (d *fakeDaemon) Up(_ context.Context, chain string, progress func(control.Event)) error {
	progress(control.Event{Kind: control.EventLayerUp, Chain: chain, Layer: 1, Peer: "sg1", Mode: "tunnel", State: "up",
		SPIIn: "0x00001001", SPIOut: "0x00002002"})
	return d.fail
}

func (d *fakeDaemon) Down(_ context.Context, chain string, progress func(control.Event)) error {
	progress(control.Event{Kind: control.EventChainDown, Chain: chain})
	return d.fail
}

func (d *fakeDaemon) Rekey(_ context.Context, chain string, progress func(control.Event)) error {
	progress(control.Event{Kind: control.EventRekey, Layer: 1, Peer: "sg1", Mode: "tunnel", State: "up", SPIIn: "0x1", SPIOut: "0x2"})
	return d.fail
}

func (d *fakeDaemon) Reauth(_ context.Context, chain string, progress func(control.Event)) error {
	progress(control.Event{Kind: control.EventReauth, Chain: chain, Layer: 1, Peer: "sg1", Mode: "tunnel", State: "up"})
	return d.fail
}

// daemon serves d and returns a function that runs the command against it.
func daemon(t *testing.T, d control.Backend) func(args ...string) (code int, out, err string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "alice.sock")
	s, err := control.Listen(control.Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(d)
	t.Cleanup(func() { _ = s.Close() })
	return func(args ...string) (int, string, string) {
		var out, err bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		code := execute(ctx, append(args, "--socket", socket), &out, &err)
		return code, out.String(), err.String()
	}
}

func layer(n int, peer, mode, state string) control.Layer {
	return control.Layer{Layer: n, Peer: peer, Mode: mode, State: state, Local: "192.0.2.100", Remote: "192.0.2.1",
		VirtualIP: "10.99.1.2", SPIIn: "0x0b1c0001", SPIOut: "0x77aa0002", Suite: "aes128gcm16-esn", Encap: "udp", MTU: 1438,
		PacketsIn: 10, BytesIn: 9000, PacketsOut: 12, BytesOut: 900}
}

const tree = `alice  warren 0.1.0, up 1h1m1s
warren0  10.200.0.1/32
2 workers  tso, no uso, no io_uring, no gso, gro  Go standard library
  slower than it could be: tun: no USO: take a newer one
warning: certificate of identity outer expires in 5 days: CN=alice, alice.crt

web  up  mtu 1246
└─ 1  sg1  tunnel  up  192.0.2.100 → 192.0.2.1  udp  aes128gcm16-esn  mtu 1438
   │  virtual ip 10.99.1.2  spi in 0x0b1c0001 out 0x77aa0002
   │  in 10 packets, 9.0 kB  out 12 packets, 900 B
   └─ 2  bob  transport  up  192.0.2.100 → 192.0.2.1  udp  aes128gcm16-esn  mtu 1438
         virtual ip 10.99.1.2  spi in 0x0b1c0001 out 0x77aa0002
         in 10 packets, 9.0 kB  out 12 packets, 900 B

rest  failed  (layer 2: no answer from 198.51.100.1:500)

again  establishing  (last: layer 1: no answer from 192.0.2.1:500)

accepted
  carol.example  tunnel  up  from 192.0.2.9  virtual ip 10.99.1.7  spi in 0x1 out 0x2
    in 1 packets, 100 B  out 2 packets, 200 B

refused packets: replay 3
`

func TestStatusTree(t *testing.T) {
	d := &fakeDaemon{EventLog: control.NewEventLog(0)}
	d.status = control.Status{Node: "alice", Version: "0.1.0", UptimeSeconds: 3661,
		Tun: control.Tun{Name: "warren0", Addresses: []string{"10.200.0.1/32"}},
		Dataplane: control.Dataplane{Workers: 2, TunOffloads: []string{"tso"}, UDPGRO: true, Cipher: "Go standard library",
			Notes: []string{"tun: no USO: take a newer one"}},
		Chains: []control.Chain{
			{Name: "web", State: control.StateUp, MTU: 1246,
				Layers: []control.Layer{layer(1, "sg1", "tunnel", "up"), layer(2, "bob", "transport", "up")}},
			{Name: "rest", State: control.StateFailed, FailedLayer: 2, Reason: "no answer from\n198.51.100.1:500"},
			{Name: "again", State: control.StateEstablishing, FailedLayer: 1, Reason: "no answer from 192.0.2.1:500"},
		},
		Accepted: []control.Accepted{{Peer: "carol.example", Mode: "tunnel", State: "up", Remote: "192.0.2.9", VirtualIP: "10.99.1.7",
			SPIIn: "0x1", SPIOut: "0x2", PacketsIn: 1, BytesIn: 100, PacketsOut: 2, BytesOut: 200}},
		Drops:    map[string]uint64{"replay": 3, "no-sa": 0},
		Warnings: []string{"certificate of identity outer expires in 5 days: CN=alice, alice.crt"},
	}
	run := daemon(t, d)
	code, out, errText := run("status")
	if code != exitDegraded || out != tree || errText != "" {
		t.Errorf("status exits with %d and %q and prints\n%s\nwant %d and\n%s", code, errText, out, exitDegraded, tree)
	}
	if code, out, _ := run("status", "-o", "json"); code != exitDegraded || !strings.Contains(out, `"failed_layer": 2`) {
		t.Errorf("status -o json exits with %d and prints\n%s", code, out)
	}
}

// TestHealth: the exit code of status says what is wrong.
func TestHealth(t *testing.T) {
	tests := map[string]struct {
		states []string
		want   int
	}{
		"no chain":              {nil, exitGood},
		"idle until it is used": {[]string{"idle"}, exitGood},
		"up":                    {[]string{"up", "idle"}, exitGood},
		"one of two up":         {[]string{"up", "failed"}, exitDegraded},
		"one still builds":      {[]string{"up", "establishing"}, exitDegraded},
		"degraded":              {[]string{"degraded"}, exitDegraded},
		"all failed":            {[]string{"failed", "failed"}, exitDown},
		"wanted, but idle":      {[]string{"idle!"}, exitDown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var s control.Status
			for _, state := range tt.states {
				word, wanted := strings.CutSuffix(state, "!")
				s.Chains = append(s.Chains, control.Chain{State: word, Wanted: wanted})
			}
			if got := health(s); got != tt.want {
				t.Errorf("health is %d, want %d", got, tt.want)
			}
		})
	}
}

func TestUpDown(t *testing.T) {
	d := &fakeDaemon{EventLog: control.NewEventLog(0)}
	run := daemon(t, d)
	code, out, _ := run("up", "all")
	if want := "layer-up       all  layer 1  sg1  tunnel  spi in 0x00001001 out 0x00002002\n"; code != exitGood || out != want {
		t.Errorf("up exits with %d and prints %q, want %q", code, out, want)
	}
	d.fail = errors.New("layer 2 (sg2): AUTHENTICATION_FAILED")
	code, _, errText := run("up", "web")
	if want := "warren: up web: layer 2 (sg2): AUTHENTICATION_FAILED\n"; code != exitFailed || errText != want {
		t.Errorf("up exits with %d and says %q, want %q", code, errText, want)
	}
	if code, out, _ := run("down", "web", "-o", "json"); code != exitFailed || !strings.Contains(out, `"kind": "chain-down"`) {
		t.Errorf("down -o json exits with %d and prints %q", code, out)
	}
}

func TestEvents(t *testing.T) {
	d := &fakeDaemon{EventLog: control.NewEventLog(0)}
	d.Publish(control.Event{Kind: control.EventLayerUp, Chain: "web", Layer: 1, Peer: "sg1"})
	d.Publish(control.Event{Kind: control.EventChainFailed, Chain: "web", Reason: "no answer"})
	run := daemon(t, d)
	code, out, _ := run("events", "--no-follow")
	if code != exitGood || strings.Count(out, "\n") != 2 || !strings.Contains(out, "chain-failed   web: no answer\n") {
		t.Errorf("events --no-follow exits with %d and prints\n%s", code, out)
	}
	code, out, _ = run("events", "--no-follow", "-o", "json", "--since", "1")
	if code != exitGood || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"seq":2`) {
		t.Errorf("events --since exits with %d and prints\n%s", code, out)
	}
	_, out, _ = run("events", "--all") // follows until the test's patience ends
	if strings.Count(out, "\n") != 2 {
		t.Errorf("events --all prints\n%s", out)
	}
}

func TestShow(t *testing.T) {
	run := daemon(t, &fakeDaemon{EventLog: control.NewEventLog(0)})
	for _, name := range []string{"sa", "ike", "certs", "rules", "leases", "routes", "drops"} {
		if code, out, errText := run("show", name); code != exitGood || out == "" {
			t.Errorf("show %s exits with %d, %q and prints %q", name, code, errText, out)
		}
		if code, out, _ := run("show", name, "-o", "json"); code != exitGood || strings.HasPrefix(out, "null") {
			t.Errorf("show %s -o json exits with %d and prints %q", name, code, out)
		}
	}
	if _, out, _ := run("show", "sa"); !strings.Contains(out, "12.3 kB") {
		t.Errorf("show sa prints\n%s", out)
	}
	if _, out, _ := run("show", "ike"); !strings.Contains(out, "alice.example  pre-shared key  sg1.example  certificate, ECDSA with SHA-256") ||
		!strings.Contains(out, "nat, fragments  0x00001001/0x00002002 lingering") || !strings.Contains(out, "1h0m0s    0        -") {
		t.Errorf("show ike prints\n%s", out)
	}
	if _, out, _ := run("show", "certs"); !strings.Contains(out, "own   outer     -              -      CN=alice  CN=ca   alice.example  1f      -    2027-01-02  5          alice.crt\n") ||
		!strings.Contains(out, "peer  -         carol.example  2 ") {
		t.Errorf("show certs prints\n%s", out)
	}
	if _, out, _ := run("show", "drops"); strings.Contains(out, "no-sa") || !strings.Contains(out, "replay  3") {
		t.Errorf("show drops prints\n%s", out)
	}
	if _, out, _ := run("show", "drops", "--zero"); !strings.Contains(out, "no-sa") {
		t.Errorf("show drops --zero prints\n%s", out)
	}
}

func TestReload(t *testing.T) {
	d := &fakeDaemon{EventLog: control.NewEventLog(0)}
	run := daemon(t, d)
	if code, out, errText := run("reload"); code != exitGood || out != "a.yaml:3:1: warning: doubtful\n1 chain kept; built again: rest\n" {
		t.Errorf("reload exits with %d, %q and prints %q", code, errText, out)
	}
	if code, out, _ := run("reload", "-o", "json"); code != exitGood || !strings.Contains(out, `"again": [`) {
		t.Errorf("reload -o json exits with %d and prints %q", code, out)
	}
	d.fail = errors.New("a.yaml:1:1: what is that")
	if code, _, errText := run("reload"); code != exitFailed || !strings.Contains(errText, "nothing has changed: control: a.yaml:1:1: what is that") {
		t.Errorf("reload exits with %d and %q", code, errText)
	}
}

func TestShowKeys(t *testing.T) {
	d := &fakeDaemon{EventLog: control.NewEventLog(0)}
	run := daemon(t, d)
	if code, out, errText := run("show", "keys"); code != exitGood || out != "# ikev2_decryption_table\n1,2,3\n# esp_sa\na\nb\n" || errText != "left out: child SA 0x1\n" {
		t.Errorf("show keys exits with %d, %q and prints %q", code, errText, out)
	}
	if code, out, _ := run("show", "keys", "-o", "json"); code != exitGood || !strings.Contains(out, `"esp_sa": [`) {
		t.Errorf("show keys -o json exits with %d and prints %q", code, out)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if code, out, _ := run("show", "keys", "--dir", dir); code != exitGood || out != "" {
		t.Errorf("show keys --dir exits with %d and prints %q", code, out)
	}
	for name, want := range map[string]string{"ikev2_decryption_table": "1,2,3\n", "esp_sa": "a\nb\n"} {
		path := filepath.Join(dir, name)
		got, err := os.ReadFile(path)
		info, err2 := os.Stat(path)
		if err != nil || err2 != nil || string(got) != want || info.Mode().Perm() != 0o600 {
			t.Errorf("%s holds %q, mode %v, %v", name, got, info.Mode(), err)
		}
	}
	d.fail = errors.New("node alice keeps its keys")
	if code, out, errText := run("show", "keys", "--dir", dir); code != exitFailed || out != "" || !strings.Contains(errText, "keeps its keys") {
		t.Errorf("a refusal exits with %d, %q and prints %q", code, errText, out)
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_949: "99.9 kB", 123_456: "123 kB",
		999_999: "1.0 MB", 1 << 40: "1.1 TB", 1<<64 - 1: "18.4 EB"} {
		if got := human(n); got != want {
			t.Errorf("human(%d) = %q, want %q", n, got, want)
		}
	}
}
