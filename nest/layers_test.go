package nest

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"warren/sa"
)

// TestLayerMap holds every version of a layerMap to a map.
func TestLayerMap(t *testing.T) {
	few := []sa.Layer{0, 1, 255, 256, 65535, 65536, 1<<24 - 1, 1 << 24, 1<<32 - 1}
	rapid.Check(t, func(t *rapid.T) {
		versions, oracles := []layerMap{{}}, []map[sa.Layer]*accepted{{}}
		for range rapid.IntRange(0, 40).Draw(t, "changes") {
			m, oracle := versions[len(versions)-1], maps.Clone(oracles[len(oracles)-1])
			id := rapid.SampledFrom(few).Draw(t, "layer")
			if rapid.Bool().Draw(t, "add") {
				oracle[id] = &accepted{AcceptedChild: AcceptedChild{Layer: id}}
			} else {
				delete(oracle, id)
			}
			versions, oracles = append(versions, m.with(id, oracle[id])), append(oracles, oracle)
		}
		for i, m := range versions {
			for _, id := range few {
				if got, want := m.get(id), oracles[i][id]; got != want {
					t.Fatalf("version %d, layer %d: %p, want %p", i, id, got, want)
				}
			}
			var ids []sa.Layer
			m.each(func(c *accepted) { ids = append(ids, c.Layer) })
			if want := slices.Sorted(maps.Keys(oracles[i])); !slices.Equal(ids, want) {
				t.Fatalf("version %d has %v, want %v", i, ids, want)
			}
			if len(oracles[i]) == 0 && m.root != nil {
				t.Fatalf("version %d keeps empty pages", i)
			}
		}
	})
}
