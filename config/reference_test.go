package config

import (
	"os"
	"testing"
)

// TestReferenceFile holds docs/config.md to the table that the reader itself uses.
// UPDATE=1 rewrites the file.
func TestReferenceFile(t *testing.T) {
	const name = "../docs/config.md"
	want := "# Configuration reference\n\nEvery key that a configuration may have. Names in `*` are the user's own; `[]` is an entry of a list.\n\n" +
		ReferenceMarkdown()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the reader knows; run: UPDATE=1 go test ./config -run TestReferenceFile", name)
	}
}
