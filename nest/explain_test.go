package nest

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestExplainSample holds the explanation of DESIGN, section 7's config to a
// text that people have read.
func TestExplainSample(t *testing.T) {
	e := Explain(sampleResolver(), tcp("203.0.113.77", 443), Assumptions{
		Source: func(netip.Addr) netip.Addr { return ip("192.0.2.100") },
	})
	golden(t, "testdata/explain-web.txt", e.String())
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/explain-web.json", string(data)+"\n")
}

func TestExplainVerdicts(t *testing.T) {
	for to, want := range map[string]string{"192.168.1.1": "bypass", "8.8.8.8": "discard", "203.0.113.9": "chain"} {
		if e := Explain(sampleResolver(), tcp(to, 80), Assumptions{}); e.Verdict != want {
			t.Errorf("%s: verdict %s, want %s", to, e.Verdict, want)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", path, got, want)
	}
}
