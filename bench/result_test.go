package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sample is a result with two rounds; wireguard-go failed in the second one,
// and the sender was too slow for raw veth.
func sample() *Result {
	return &Result{
		Started: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Minutes: 7, Label: "a noisy <machine>",
		Machine: Machine{Cores: 2, CPU: "Abacus", Crypto: []string{"aes"}, Kernel: "6.18", Go: "go1.26", Virtual: true},
		Options: Options{Rounds: 2, Seconds: 4, Probe: 300, Loss: 0.001, Pings: 200},
		Systems: map[string]About{
			"veth":     {Title: "raw veth", Setup: "two hosts", MTU: 1500},
			Baseline:   {Title: "wireguard-go", Setup: "two hosts", MTU: 1420, Suite: "chacha20poly1305", Layers: 1},
			"warren-3": {Title: "warren, 3 tunnels", Setup: "a chain", MTU: 1300, Suite: "aes256gcm16-esn", Layers: 3},
		},
		Rounds: []Round{
			{System: "veth", Round: 0, Figures: map[string]float64{TCP1: 10e9, UDP(64): 8e5}, Sender: []string{UDP(64)}},
			{System: Baseline, Round: 0, Figures: map[string]float64{TCP1: 1e9, UDP(64): 4e4, RTTIdle: 0.00025}},
			{System: "warren-3", Round: 0, Figures: map[string]float64{TCP1: 2e9, UDP(64): 4e5, RTTIdle: 0.0002}},
			{System: "warren-3", Round: 1, Figures: map[string]float64{TCP1: 4e9, UDP(64): 2e5, RTTIdle: 0.0001}},
			{System: Baseline, Round: 1, Figures: map[string]float64{}, Error: "no answer\nlong log"},
		},
		Version: map[string]string{"strongswan": "Linux strongSwan 5.9.8"},
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	want := sample()
	path, err := want.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	if name := filepath.Base(path); name != "20260504-030201.json" {
		t.Errorf("the file is %s", name)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want.Label = sample().Label
	if !reflect.DeepEqual(got, want) {
		t.Errorf("loaded %+v, want %+v", got, want)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files are in the directory, want 1", len(files))
	}
}

func TestLoadErrors(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of nothing: %v", err)
	}
	path := filepath.Join(t.TempDir(), "half")
	if err := os.WriteFile(path, []byte(`{"rounds": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil {
		t.Error("Load takes half a file")
	}
}

func TestMarkdown(t *testing.T) {
	page := sample().Markdown("plot.svg", "results/x.json")
	for _, want := range []string{
		"3.0× (2.0–2.0)",                   // median 3 of two rounds, the baseline was there in one
		"≥ 20× (20–20)",                    // the sender's limit
		"[n=1] 1.00 (1.00–1.00)",           // a round is missing
		"wireguard-go, round 2: no answer", // and why
		"**a noisy <machine>**", "a virtual machine with 2 cores, Abacus", "(plot.svg)", "`results/x.json`",
		"warren, 3 tunnels |", "1272", // the largest payload at MTU 1300
		"0.1 %",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "≥ 7.5") {
		t.Error("another system's sender was the limit")
	}
	if strings.Contains(page, "long log") {
		t.Error("the page quotes a whole log")
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestSVGIsXML(t *testing.T) {
	r := sample()
	r.Systems["veth"] = About{Title: "a < b & c"}
	dec := xml.NewDecoder(strings.NewReader(r.SVG()))
	bars := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if el, ok := token.(xml.StartElement); ok && el.Name.Local == "rect" {
			bars++
		}
	}
	if want := 1 + 3 + 3 + 2; bars != want { // the ground, one and 64 B of all, RTT of two
		t.Errorf("%d rectangles, want %d", bars, want)
	}
}

func TestPosition(t *testing.T) {
	const right = panelWidth - valueWidth
	for ratio, want := range map[float64]float64{0: labelWidth, 2: (labelWidth + right) / 2, 4: right, 40: right} {
		if got := position(ratio, 4); got != want {
			t.Errorf("position(%v, 4) = %v, want %v", ratio, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	tests := map[float64]string{0: "0", 0.0123: "0.0123", 0.165: "0.165", 0.000012: "0.0000", 1.234: "1.23", 12.34: "12.3", 99.96: "100.0", 1234: "1234"}
	for v, want := range tests {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}
