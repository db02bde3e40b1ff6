package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warren/control"
)

func TestRates(t *testing.T) {
	at := func(packets, bytes uint64) control.Status {
		l := control.Layer{Layer: 1, Peer: "sg1", State: "up", PacketsIn: packets, BytesIn: bytes}
		return control.Status{Chains: []control.Chain{{Name: "web", Layers: []control.Layer{l}}}}
	}
	for name, tt := range map[string]struct {
		last, now     control.Status
		packets, bits float64
	}{
		"carrying":           {at(10, 1000), at(30, 3000), 10, 8000},
		"idle":               {at(10, 1000), at(10, 1000), 0, 0},
		"new":                {control.Status{}, at(4, 400), 2, 1600},
		"counting from zero": {at(10, 1000), at(2, 200), 1, 800},
	} {
		got := rates(tt.last, tt.now, 2*time.Second)
		if len(got) != 1 || got[0].PacketsIn != tt.packets || got[0].BitsIn != tt.bits || got[0].Chain != "web" {
			t.Errorf("%s: %+v, want %v packets and %v bits per second", name, got, tt.packets, tt.bits)
		}
	}
}

func TestBitRate(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0 bit/s", 999: "999 bit/s", 999.6: "1.0 kbit/s", 1500: "1.5 kbit/s", 123e6: "123 Mbit/s", 4.56e9: "4.6 Gbit/s",
	} {
		if got := bitRate(n); got != want {
			t.Errorf("bitRate(%v) = %q, want %q", n, got, want)
		}
	}
}

func TestTop(t *testing.T) {
	d := &fakeDaemon{EventLog: control.NewEventLog(0), status: control.Status{
		Chains: []control.Chain{{Name: "web", Layers: []control.Layer{layer(1, "sg1", "tunnel", "up")}}},
	}}
	run := daemon(t, d)
	code, out, errText := run("top", "--count", "1", "--interval", "100ms")
	if code != exitGood || !strings.Contains(out, "web") || !strings.Contains(out, "0 packets/s") || errText != "" {
		t.Errorf("top exits with %d, %q and prints\n%s", code, errText, out)
	}
	if code, out, _ := run("top", "--count", "2", "--interval", "100ms", "-o", "json"); code != exitGood || strings.Count(out, "\n") != 2 {
		t.Errorf("top -o json exits with %d and prints\n%s", code, out)
	}
	if code, _, _ := run("top", "--interval", "1ms"); code != exitUsage && code != exitFailed {
		t.Errorf("a short interval exits with %d", code)
	}
}

// TestRekey: the verb passes on what happens.
func TestRekey(t *testing.T) {
	run := daemon(t, &fakeDaemon{EventLog: control.NewEventLog(0)})
	if code, out, _ := run("rekey", "web"); code != exitGood || !strings.Contains(out, "rekey") || !strings.Contains(out, "sg1") {
		t.Errorf("rekey exits with %d and prints %q", code, out)
	}
	if code, out, _ := run("reauth", "web"); code != exitGood || !strings.Contains(out, "reauth") || !strings.Contains(out, "sg1") {
		t.Errorf("reauth exits with %d and prints %q", code, out)
	}
}

// TestCompleteChain: the shell is offered the daemon's chains.
func TestCompleteChain(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "alice.sock")
	s, err := control.Listen(control.Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Serve(&fakeDaemon{EventLog: control.NewEventLog(0), status: control.Status{Chains: []control.Chain{{Name: "web"}, {Name: "web#2"}}}})
	for args, want := range map[string]string{
		"up": "all\nweb\nweb#2\n:4\n", "down": "all\nweb\nweb#2\n:4\n", "rekey": "all\nweb\nweb#2\n:4\n", "reauth": "all\nweb\nweb#2\n:4\n", "up web": ":4\n",
	} {
		var out, errs bytes.Buffer
		line := append([]string{"__complete", "--socket", socket}, append(strings.Fields(args), "")...)
		if code := execute(t.Context(), line, &out, &errs); code != exitGood || out.String() != want {
			t.Errorf("%s: exits with %d and offers %q, want %q", args, code, out.String(), want)
		}
	}
}
