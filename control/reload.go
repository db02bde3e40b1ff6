package control

import (
	"fmt"
	"strings"
)

// Reloaded is what another configuration meant: to chains, by their names, and to
// sessions that peers had opened, by their identities.
type Reloaded struct {
	Kept     []string `json:"kept"`  // as they were
	Again    []string `json:"again"` // taken down, and built again where they stood
	Gone     []string `json:"gone"`
	New      []string `json:"new"`
	Ended    []string `json:"ended"` // sessions of peers that would not be let in now, or not in the same way
	Warnings []string `json:"warnings"`
}

// String is all but the warnings in one line.
func (r Reloaded) String() string {
	text := fmt.Sprintf("%d chains kept", len(r.Kept))
	if len(r.Kept) == 1 {
		text = "1 chain kept"
	}
	for _, part := range []struct {
		what  string
		names []string
	}{{"built again", r.Again}, {"gone", r.Gone}, {"new", r.New}, {"sessions ended", r.Ended}} {
		if len(part.names) > 0 {
			text += fmt.Sprintf("; %s: %s", part.what, strings.Join(part.names, ", "))
		}
	}
	return text
}

func filledReloaded(r Reloaded) Reloaded {
	return Reloaded{list(r.Kept), list(r.Again), list(r.Gone), list(r.New), list(r.Ended), list(r.Warnings)}
}
