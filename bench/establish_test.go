package bench

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"warren/lab"
)

// TestMeasureEstablish has few sessions with each responder.
func TestMeasureEstablish(t *testing.T) {
	needRoot(t)
	if err := lab.HasCharon(); err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	r, err := MeasureEstablish(t.Context(), EstablishOptions{Sessions: 20, Parallel: 3, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range responders() {
		for _, load := range establishLoads() {
			key := establishKey(who.name, load.name)
			if _, ok := r.CPU[key][0]; !ok || r.Rates[key][0] <= 0 {
				t.Errorf("%s: CPU %v, rate %v", key, r.CPU[key], r.Rates[key])
			}
		}
	}
}

func TestEstablishPage(t *testing.T) {
	r := Establish{
		Options: EstablishOptions{Sessions: 40, Parallel: 7}.withDefaults(), Version: map[string]string{"strongswan": "strongSwan 5"},
		CPU: map[string]map[int]float64{
			establishKey("warren", "one"): {0: 0.2, 1: 0.3, 2: 0.25},
			establishKey("charon", "one"): {0: 0.4, 1: 0.5, 2: 0.6},
		},
		Rates: map[string]map[int]float64{establishKey("warren", "one"): {0: 800, 1: 900, 2: 1000}},
	}
	page := r.Page()
	for _, want := range []string{"0.25 (0.20–0.30)", "0.50 (0.42–0.60)", "900 (800–1000)", "40 sessions", "with 7\n", "come 2 that", "strongSwan 5"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	path, err := r.Save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	var again Establish
	if err != nil || json.Unmarshal(b, &again) != nil || again.Page() != page {
		t.Errorf("%v; saved, it is another page", err)
	}
}
