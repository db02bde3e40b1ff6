package bench

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestMeasureMany finds out whether every load gets through, with few clients.
func TestMeasureMany(t *testing.T) {
	needRoot(t)
	r, err := MeasureMany(t.Context(), ManyOptions{Clients: 70, Rounds: 1, Probe: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, load := range manyLoads() {
		for _, size := range manySizes() {
			if len(r.Rates[manyKey(load.name, size)]) != 1 {
				t.Errorf("%s, %d bytes: no rate", load.title, size)
			}
		}
	}
	if r.Bytes <= 0 {
		t.Errorf("a client takes %v bytes", r.Bytes)
	}
}

func TestManyPage(t *testing.T) {
	r := Many{Options: ManyOptions{Clients: 7}.withDefaults(), Rates: map[string]map[int]float64{
		manyKey("in-one", 64):  {0: 200e3, 1: 400e3},
		manyKey("in-many", 64): {0: 100e3, 1: 300e3},
	}}
	page := r.Page()
	for _, want := range []string{"7 clients", "300 (200–400)", "67 % (50–75)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	path, err := r.Save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	var again Many
	if err != nil || json.Unmarshal(b, &again) != nil || again.Page() != page {
		t.Errorf("%v; saved, it is another page", err)
	}
}
