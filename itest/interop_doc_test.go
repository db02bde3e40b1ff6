package itest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const interopDoc = "../docs/interop.md"

var writeInterop = flag.Bool("write-interop", false, "have TestInterop write "+interopDoc)

const interopTop = `# Interoperability

Written by ` + "`make interop`" + `; ` + "`make test`" + ` runs it again each time. warren and Debian's strongSwan %s, which has ESP in userspace
(kernel-libipsec), with one daemon each for all rows of one initiator. In each row the session comes up with the algorithms that it names
and no others, packets go both ways, the child SA and the IKE SA are rekeyed by whom it names, packets go both ways again, and the initiator
deletes it all. Both ends are asked each time for what they have.

The rows with nothing beside them are a covering array: with either initiator, every two choices of different columns meet in one of them.
A proposal for ESP with a key exchange has one made for each new child SA (PFS). Two words for the authentication are how the initiator
proves itself, and how the responder does.

| initiator | authentication | IKE | ESP | rekeyed by | beside | result |
|---|---|---|---|---|---|---|
`

// document writes docs/interop.md if it was asked for.
func document(t *testing.T, results map[row]error) {
	t.Helper()
	if !*writeInterop {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, interopTop, output("dpkg-query", "--show", "--showformat", "${Version}", "strongswan-charon"))
	for _, r := range interopRows() {
		result := "good"
		if err := results[r]; err != nil {
			result, _, _ = strings.Cut(err.Error(), "\n")
		}
		fmt.Fprintf(&b, "| %s | %s |\n", r, result)
	}
	b.WriteString("\nNot tried:\n\n")
	for _, what := range slices.Sorted(maps.Keys(untried())) {
		fmt.Fprintf(&b, "* %s: %s.\n", what, untried()[what])
	}
	must(t, os.WriteFile(interopDoc, []byte(b.String()), 0o644))
}

// output is what a program says, or nothing.
func output(args ...string) string {
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// TestInteropDoc holds the page to the rows that are run.
func TestInteropDoc(t *testing.T) {
	page, err := os.ReadFile(interopDoc)
	must(t, err)
	want := map[string]bool{}
	for _, r := range interopRows() {
		if want[r.String()] {
			t.Errorf("there are two rows %s", r)
		}
		want[r.String()] = true
	}
	for what, why := range untried() {
		if !strings.Contains(string(page), "* "+what+": "+why+".\n") {
			t.Errorf("the page does not say that %s is not tried, and why: run make interop", what)
		}
	}
	for line := range strings.Lines(string(page)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "| ")
		r, result, good := cutLast(strings.TrimSuffix(line, " |"), " | ")
		if !ok || !good || strings.HasPrefix(r, "initiator |") {
			continue
		}
		if result != "good" {
			t.Errorf("the page says of %s: %s", r, result)
		}
		if !want[r] {
			t.Errorf("the page has the row %s, which is not run: run make interop", r)
		}
		delete(want, r)
	}
	for r := range want {
		t.Errorf("the page does not have the row %s: run make interop", r)
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
