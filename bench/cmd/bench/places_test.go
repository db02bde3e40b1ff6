package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	o, p, err := parseMany(strings.Fields("-clients 7 -docs= -out x"))
	if err != nil || o.Clients != 7 || p != (places{"", "x"}) {
		t.Errorf("%+v %+v %v", o, p, err)
	}
	e, p, err := parseEstablish(nil)
	if err != nil || e.Sessions != 0 || p != (places{"docs", "bench/results"}) {
		t.Errorf("%+v %+v %v", e, p, err)
	}
	if _, _, err := parseMany([]string{"-none"}); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
	if _, _, err := parseEstablish([]string{"what"}); err == nil || !strings.Contains(err.Error(), `"what"`) {
		t.Error(err)
	}
}

type page string

func (p page) Page() string { return string(p) }
func (p page) Save(dir string) (string, error) {
	return dir, os.WriteFile(filepath.Join(dir, "saved"), []byte(p), 0o644)
}

// TestPut: each goes where it was to go, and nowhere else.
func TestPut(t *testing.T) {
	docs, out := t.TempDir(), t.TempDir()
	if err := (&places{docs, out}).put(page("text"), "a.md"); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(docs, "a.md"), filepath.Join(out, "saved")} {
		if b, err := os.ReadFile(file); err != nil || string(b) != "text" {
			t.Errorf("%s: %q, %v", file, b, err)
		}
	}
	if err := (&places{filepath.Join(docs, "none"), ""}).put(page("text"), "a.md"); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
