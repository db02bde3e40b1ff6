package doctor

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"warren/config"
	"warren/control"
)

// one wants a single check and returns it.
func one(t *testing.T, list []Check) Check {
	t.Helper()
	if len(list) != 1 {
		t.Fatalf("%d checks, want one: %+v", len(list), list)
	}
	return list[0]
}

func TestJudgeClock(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		now  time.Time
		kept bool
		want Status
	}{
		"kept":           {now, true, OK},
		"kept by nobody": {now, false, Warn},
		"the epoch":      {time.Unix(0, 0), true, Fail},
		"just too old":   {oldest().Add(-1), true, Fail},
	} {
		if got := one(t, judgeClock(tt.now, tt.kept)); got.Status != tt.want || (got.Fix == "") != (tt.want == OK) {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}

func TestChains(t *testing.T) {
	up, idle := control.Chain{State: control.StateUp}, control.Chain{State: control.StateIdle}
	failed := control.Chain{Name: "web", State: control.StateFailed, FailedLayer: 2, Reason: "no answer"}
	for name, tt := range map[string]struct {
		chains []control.Chain
		want   Status
		words  string
	}{
		"none":   {nil, OK, "0 up of 0"},
		"fine":   {[]control.Chain{up, idle}, OK, "1 up of 2"},
		"failed": {[]control.Chain{up, failed}, Fail, "web is failed at layer 2: no answer"},
	} {
		if got := one(t, chains(control.Status{Chains: tt.chains})); got.Status != tt.want || !strings.Contains(got.Detail, tt.words) {
			t.Errorf("%s: %+v, want %s and %q", name, got, tt.want, tt.words)
		}
	}
}

func TestDataplane(t *testing.T) {
	if got := one(t, dataplane(control.Dataplane{Workers: 2})); got.Status != OK {
		t.Errorf("%+v", got)
	}
	if got := one(t, dataplane(control.Dataplane{Notes: []string{"a", "b"}})); got.Status != Warn || got.Detail != "a; b" {
		t.Errorf("%+v", got)
	}
}

func TestMemory(t *testing.T) {
	for want, st := range map[Status]control.Status{OK: {}, Warn: {CoreDumps: true, KeyExport: true}} {
		if got := one(t, memory(st)); got.Status != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	if got := one(t, memory(control.Status{CoreDumps: true})); got.Fix != "start it without --core-dumps" {
		t.Errorf("%+v", got)
	}
}

// TestTold: an error with its way out is one line, without the package's name.
func TestTold(t *testing.T) {
	err := errors.Join(errors.New("host: first: do this"), errors.New("host: second"))
	if got := one(t, told("routing", Fail, err)); got.Detail != "first: do this; host: second" {
		t.Errorf("%+v", got)
	}
}

func TestListener(t *testing.T) {
	var l listener
	log := slog.New(&l)
	log.Info("host: nothing")
	log.Warn("host: no nftables here", "err", errors.New("not supported"))
	if want := []string{"no nftables here (err: not supported)"}; !slices.Equal(l.warnings, want) {
		t.Errorf("heard %q, want %q", l.warnings, want)
	}
}

// udpTable is what /proc/net/udp looks like.
const udpTable = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1234: 00000000:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31337 2 0000000000000000 0
 1235: 0100007F:1194 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0
 cut
`

func TestBound(t *testing.T) {
	for port, want := range map[uint16][]string{500: {"socket:[31337]"}, 4500: {"socket:[4711]"}, 501: nil} {
		if got := bound(strings.NewReader(udpTable), port); !slices.Equal(got, want) {
			t.Errorf("port %d is of %v, want %v", port, got, want)
		}
	}
}

const nested = `node: {name: alice}
identities:
  me: {id: alice.example, psk: "a secret"}
peers:
  sg1: {address: [192.0.2.1, "2001:db8::1"], id: sg1.example, virtual_ip: true}
  sg2: {address: 192.0.2.2, id: sg2.example, virtual_ip: true}
rules:
  transport:
    - {name: web, match: {dst: 203.0.113.0/24}, action: plain}
  tunnel:
    - {match: {dst: sg2}, via: sg1}
    - {match: {dst: 203.0.113.0/24}, via: sg2}
`

func TestDirectPeers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alice.yaml")
	if err := os.WriteFile(file, []byte(nested), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []direct{{"sg1", netip.MustParseAddr("192.0.2.1")}, {"sg1", netip.MustParseAddr("2001:db8::1")}}
	if got := directPeers(c); !slices.Equal(got, want) {
		t.Errorf("direct are %v, want %v", got, want)
	}
}

// TestRunWithoutAnything runs all checks as whoever runs the tests, without a
// configuration: each has a name, a status and something to say.
func TestRunWithoutAnything(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Run(t.Context(), Options{NoDaemon: errors.New("none is here")}) {
		t.Logf("%+v", c)
		if c.Name == "" || c.Detail == "" || !slices.Contains([]Status{OK, Warn, Fail, Skip}, c.Status) || strings.Contains(c.Detail, "\n") {
			t.Errorf("%+v", c)
		}
		seen[c.Name] = true
	}
	for _, name := range []string{"configuration", "daemon", "privileges", "tun", "sockets", "routing", "device", "ports", "rp_filter", "ip_forward", "peers", "cipher", "clock"} {
		if !seen[name] {
			t.Errorf("nothing is said of %s", name)
		}
	}
}

// TestConfiguration: what others may read is an error here, too.
func TestConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alice.yaml")
	if err := os.WriteFile(file, []byte(nested), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]Status{0o600: OK, 0o644: Fail} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		p := &patient{Options: Options{Config: file}}
		if got := one(t, p.configuration()); got.Status != want && !(want == OK && got.Status == Warn) || p.usable != (want == OK) {
			t.Errorf("mode %v: %+v, usable %v, want %s", mode, got, p.usable, want)
		}
	}
}
