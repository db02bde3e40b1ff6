package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"warren/bench"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		args    string
		rounds  int
		short   bool
		docs    string
		systems []string
	}{
		"full":                  {"", 0, false, "docs", nil},
		"two systems":           {"-systems veth,warren-1 -rounds 7", 7, false, "docs", []string{"veth", "warren-1"}},
		"short writes no docs":  {"-short", bench.Shortened().Rounds, true, "", nil},
		"unless they are named": {"-short -docs docs -rounds 3", 3, true, "docs", nil},
		"no docs":               {"-docs=", 0, false, "", nil},
		"a part writes none":    {"-only tcp1,tcp4", 0, false, "", nil},
	}
	for name, tt := range tests {
		o, h, err := parse(strings.Fields(tt.args))
		if err != nil || o.Rounds != tt.rounds || o.Short != tt.short || h.docs != tt.docs || !reflect.DeepEqual(o.Systems, tt.systems) {
			t.Errorf("%s: %+v, %+v, %v", name, o, h, err)
		}
	}
	if _, _, err := parse([]string{"veth"}); err == nil {
		t.Error("parse takes an argument that is no flag")
	}
}

func TestShortenKeepsWhatWasAskedFor(t *testing.T) {
	o, _, err := parse(strings.Fields("-short -seconds 2 -probe 50 -loss 0.01 -segments 4 -label x -systems veth -only tcp1 -congestion bbr"))
	want := bench.Options{Rounds: 2, Seconds: 2, Probe: 50, Loss: 0.01, Pings: 50, Segments: 4, Short: true, Label: "x", Systems: []string{"veth"}, Only: []string{"tcp1"}, Congestion: "bbr"}
	if err != nil || !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, %v; want %+v", o, err, want)
	}
}

func TestUsage(t *testing.T) {
	old := os.Stderr
	defer func() { os.Stderr = old }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = w
	for _, args := range [][]string{nil, {"fly"}, {"report"}, {"table", "x", "y"}} {
		if err := run(t.Context(), args); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%v: %v, want the usage", args, err)
		}
	}
	w.Close()
	if out, _ := io.ReadAll(r); !strings.Contains(string(out), "usage: bench peers") {
		t.Errorf("usage is %q", out)
	}
}
