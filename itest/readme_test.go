package itest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"warren/lab"
)

// ownRoot runs a script with the same root as a mount point of its own, which
// ip-netns(8) needs and a chroot does not give.
const ownRoot = lab.PrivateMounts + `
mount --rbind / "$1"
mount --make-rprivate "$1"
exec chroot "$1" bash -c "$2"`

// TestReadmeWalk runs the shell blocks of the README's walk, one after the
// other, as a reader would. It has a /run and a network namespace of its own,
// so the names that the walk uses are free.
func TestReadmeWalk(t *testing.T) {
	need(t, "unshare", "ip", "ping", "make")
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 5 {
		t.Fatalf("the README has %d shell blocks, the walk alone had 5", len(blocks))
	}
	script := "set -eu\ncd " + root + "\nmount -t tmpfs none /run\nmkdir /run/netns\n"
	for _, b := range blocks {
		script += b[1]
	}
	work := t.TempDir() // the walk's own folder; the repository stays clean
	script = strings.Replace(script, "mkdir -p walk && cd walk", "cd "+work, 1)
	script = strings.Replace(script, "cd .. && rm -r walk", "", 1)
	c := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "unchanged", "--net",
		"bash", "-euc", ownRoot, "bash", t.TempDir(), script)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"3 received, 0% packet loss", "intranet  up", "alice.example", "chain-up", "chain-down"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the walk does not print %q:\n%s", want, out)
		}
	}
	if left, err := filepath.Glob(filepath.Join(root, "walk")); err != nil || len(left) > 0 {
		t.Errorf("the walk leaves %v, %v", left, err)
	}
}
