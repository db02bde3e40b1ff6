package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestStatusJSON holds the spelling of what tests outside this module rely on,
// and that no list is null.
func TestStatusJSON(t *testing.T) {
	f := newFake()
	f.status.Chains = []Chain{
		{Name: "web", State: StateUp, MTU: 1246, Layers: []Layer{{Layer: 1, Peer: "sg1", Mode: "tunnel",
			State: StateUp, SPIIn: "0x0b1c0001", Suite: "aes128gcm16-esn"}}},
		{Name: "rest", State: StateIdle},
	}
	_, c := serve(t, f)
	body, err := c.do(t.Context(), http.MethodGet, "status", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	raw, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if strings.Contains(text, "null") {
		t.Errorf("status holds a null: %s", text)
	}
	for _, want := range []string{
		`"node":"alice"`, `"chains":[{`, `"name":"web"`, `"state":"up"`, `"reason":""`, `"failed_layer":0`, `"mtu":1246`,
		`"layers":[{"layer":1,"peer":"sg1","mode":"tunnel","state":"up"`, `"local":""`, `"remote":""`, `"virtual_ip":""`,
		`"spi_in":"0x0b1c0001"`, `"spi_out":""`, `"suite":"aes128gcm16-esn"`, `"encap":""`, `"packets_in":0`, `"bytes_in":0`,
		`"packets_out":0`, `"bytes_out":0`, `"rekeys":0`, `"layers":[]`, `"accepted":[]`, `"warnings":[]`, `"drops":{}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("status lacks %s: %s", want, text)
		}
	}
}

// TestNoNull asks for every list of a backend that has none.
func TestNoNull(t *testing.T) {
	_, c := serve(t, newFake())
	for _, name := range []string{"ike", "certificates", "rules", "leases", "routes", "history", "drops", "sas", "status"} {
		body, err := c.do(t.Context(), http.MethodGet, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(body)
		_ = body.Close()
		if strings.Contains(string(raw), "null") {
			t.Errorf("%s holds a null: %s", name, raw)
		}
	}
}

// TestKeys: a refusal reaches whoever asks, without a key.
func TestKeys(t *testing.T) {
	f := newFake()
	_, c := serve(t, f)
	if k, err := c.Keys(t.Context()); err != nil || k.IKE == nil || k.ESP == nil || k.LeftOut == nil {
		t.Errorf("Keys = %+v, %v", k, err)
	}
	f.fail = errors.New("not allowed at a.yaml")
	if _, err := c.Keys(t.Context()); err == nil || !strings.Contains(err.Error(), "not allowed at a.yaml") {
		t.Errorf("Keys = %v", err)
	}
}

func TestReload(t *testing.T) {
	f := newFake()
	_, c := serve(t, f)
	r, err := c.Reload(t.Context())
	if err != nil || r.Again == nil || r.String() != "1 chain kept; gone: rest, web#2; sessions ended: carol.example" {
		t.Errorf("Reload = %+v, %v", r, err)
	}
	f.fail = errors.New("a.yaml:1:1: what is that")
	if _, err := c.Reload(t.Context()); err == nil || err.Error() != "control: a.yaml:1:1: what is that" {
		t.Errorf("Reload = %v", err)
	}
}

func TestUp(t *testing.T) {
	f := newFake()
	_, c := serve(t, f)
	var kinds []string
	note := func(e Event) { kinds = append(kinds, e.Kind+" "+e.Chain) }
	if err := c.Up(t.Context(), "web#2", note); err != nil {
		t.Fatal(err)
	}
	if want := []string{"layer-up web#2", "chain-up web#2"}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("steps are %q, want %q", kinds, want)
	}
	f.fail = errors.New("layer 2 (sg2): no answer from 198.51.100.1:500")
	if err := c.Up(t.Context(), "web", nil); err == nil || err.Error() != f.fail.Error() {
		t.Errorf("Up = %v, want %v", err, f.fail)
	}
	if err := c.Up(t.Context(), "wbe", nil); err == nil || !strings.Contains(err.Error(), `"wbe"`) {
		t.Errorf("Up of an unknown chain = %v", err)
	}
	if err := c.Up(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "chain is missing") {
		t.Errorf("Up without a name = %v", err)
	}
	if err := c.Down(t.Context(), "web", nil); err != nil {
		t.Error(err)
	}
}

func TestRekey(t *testing.T) {
	f := newFake()
	_, c := serve(t, f)
	var got []Event
	if err := c.Rekey(t.Context(), "web", func(e Event) { got = append(got, e) }); err != nil || len(got) != 1 || got[0].Chain != "web" {
		t.Errorf("Rekey = %v with %+v", err, got)
	}
	f.fail = errors.New("layer 1 (sg1) went down")
	if err := c.Rekey(t.Context(), "web", nil); err == nil || err.Error() != f.fail.Error() {
		t.Errorf("Rekey = %v, want %v", err, f.fail)
	}
}

// TestUpCancelled: the user's Ctrl-C ends the request at both ends.
func TestUpCancelled(t *testing.T) {
	f := newFake()
	f.block = true
	_, c := serve(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Up(ctx, "web", func(Event) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Up = %v, want context.Canceled", err)
	}
}

// TestUpServerCloses: a daemon that shuts down ends the request.
func TestUpServerCloses(t *testing.T) {
	f := newFake()
	f.block = true
	s, c := serve(t, f)
	started := make(chan struct{})
	go func() { <-started; _ = s.Close() }()
	if err := c.Up(t.Context(), "web", func(Event) { close(started) }); err == nil {
		t.Error("Up succeeds, want an error")
	}
}

func TestEvents(t *testing.T) {
	f := newFake()
	_, c := serve(t, f)
	for range 3 {
		f.Publish(Event{Kind: EventLayerUp, Chain: "web"})
	}
	var seqs []uint64
	stop := errors.New("enough")
	err := c.Events(t.Context(), true, func(e Event) error {
		if seqs = append(seqs, e.Seq); e.Seq == 3 {
			f.Publish(Event{Kind: EventChainUp, Chain: "web"})
		}
		if e.Seq == 4 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || !reflect.DeepEqual(seqs, []uint64{1, 2, 3, 4}) {
		t.Errorf("events %v, then %v", seqs, err)
	}
	history, err := c.History(t.Context())
	if err != nil || len(history) != 4 {
		t.Errorf("History = %v, %v; want 4 events", history, err)
	}
}

func TestSecondDaemon(t *testing.T) {
	_, c := serve(t, newFake())
	_, err := Listen(Options{Socket: c.socket})
	if err == nil || !strings.Contains(err.Error(), c.socket) || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("second Listen = %v", err)
	}
	if _, err := c.Version(t.Context()); err != nil {
		t.Errorf("first daemon no longer answers: %v", err)
	}
}

// TestListenBeforeServe: a daemon that is still starting holds its socket too.
func TestListenBeforeServe(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "a.sock")
	s, err := Listen(Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Options{Socket: socket}); err == nil {
		t.Error("second Listen succeeds")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// TestStaleSocket: what a killed daemon left is cleared away.
func TestStaleSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "a.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	s, err := Listen(Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestListenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Options{Socket: file}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("Listen on a file = %v", err)
	}
	if _, err := Listen(Options{Socket: filepath.Join(file, "x.sock")}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("Listen below a file = %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	socket := filepath.Join(t.TempDir(), "a.sock")
	_, err = Listen(Options{Socket: socket, Metrics: l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("Listen on a taken metrics port = %v", err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused start leaves its socket: %v", err)
	}
}

func TestNotRunning(t *testing.T) {
	c := NewClient(filepath.Join(t.TempDir(), "none.sock"))
	_, err := c.Status(t.Context())
	if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "none.sock") {
		t.Errorf("Status = %v, want ErrNotRunning with the socket", err)
	}
}

func TestMetrics(t *testing.T) {
	f := newFake()
	f.status.Chains = []Chain{{Name: "web", State: StateUp, MTU: 1246,
		Layers: []Layer{{Layer: 1, Peer: "sg1", State: StateUp, PacketsIn: 10, BytesOut: 77}}}}
	f.status.Drops = map[string]uint64{"replay": 3}
	s, _ := serve(t, f)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + s.MetricsAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`warren_chain_state{chain="web",state="up"} 1`,
		`warren_chain_state{chain="web",state="failed"} 0`,
		`warren_chain_mtu_bytes{chain="web"} 1246`,
		`warren_layer_packets_total{chain="web",direction="in",layer="1",peer="sg1"} 10`,
		`warren_layer_bytes_total{chain="web",direction="out",layer="1",peer="sg1"} 77`,
		`warren_drops_total{reason="replay"} 3`,
		`warren_accepted_sessions{mode="tunnel"} 0`,
		`warren_security_associations{direction="in"} 1`,
		`warren_certificate_expiry_seconds{identity="outer",issuer="CN=ca",kind="own",peer="",serial="1f",subject="CN=alice"} 3600`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("metrics lack %s in\n%s", want, body)
		}
	}
	if strings.Contains(string(body), "carol") {
		t.Error("metrics tell the certificate of an accepted peer")
	}
}
