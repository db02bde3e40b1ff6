package node

import (
	"slices"
	"testing"
	"time"

	"warren/config"
	"warren/esp"
	"warren/ike"
	"warren/sa"
)

// TestDismiss: whoever came through a session that ends goes with it, and before
// it; nobody else does.
func TestDismiss(t *testing.T) {
	n, err := New(&config.Config{}, Options{})
	must(t, err)
	n.ike, err = ike.New(ike.Options{AllocSPI: n.sad.Reserve, FreeSPI: n.sad.Release})
	must(t, err)
	n.nest = emptyTree()
	for id, via := range map[ike.SessionID]sa.Layer{1: sa.Network, 2: 101, 3: 102, 4: sa.Network, 5: 104} {
		n.sessions[id] = &session{id: id, via: via}
		n.children[esp.SPI(id)] = &child{session: id, Child: ike.Child{Layer: 100 + sa.Layer(id)}}
	}
	leaving := func() (ids []ike.SessionID) {
		for id, s := range n.sessions {
			if s.leaving {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		return ids
	}
	now := time.Unix(1000, 0)
	n.dismiss([]ike.SessionID{1}, now)
	for _, id := range []ike.SessionID{3, 2, 1} {
		if got := leaving(); !slices.Equal(got, []ike.SessionID{id}) {
			t.Fatalf("%v are leaving, want %d", got, id)
		}
		delete(n.children, esp.SPI(id))
		n.ended(n.sessions[id], nil, now)
	}
	if got := leaving(); len(got) != 0 || len(n.sessions) != 2 || len(n.dismissed) != 0 {
		t.Errorf("then %v are leaving, %d are there", got, len(n.sessions))
	}
	n.shutdown(now)
	if got := leaving(); !slices.Equal(got, []ike.SessionID{5}) {
		t.Errorf("in a shutdown %v are leaving, want 5 first", got)
	}
}
