package itest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/control"
	"warren/lab"
)

// TestCoreDumps has a daemon crash: nothing of its memory is left, unless it was
// told so.
func TestCoreDumps(t *testing.T) {
	w := newWorld(t, 3)
	path, err := warrenBinary()
	must(t, err)
	file, err := w.Sender.WriteConfig(w.SenderConfig(1, true))
	must(t, err)
	crash := func(flag string) (limit string, p *lab.Process) {
		client := control.NewClient(w.Sender.Outside("/run/warren/alice.sock"))
		p, err := w.Sender.Start(lab.Spec{
			Name: "crash" + flag, Env: []string{"GOTRACEBACK=crash"},
			Args:  []string{"sh", "-c", `ulimit -c unlimited; exec "$@"`, "sh", path, "run", "-c", file, "--core-dumps=" + flag},
			Ready: func() error { _, err := client.Version(w.ctx); return err },
		})
		must(t, err)
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.Pid()))
		must(t, err)
		_, rest, _ := strings.Cut(string(limits), "Max core file size")
		st, err := client.Status(w.ctx)
		must(t, err)
		if st.CoreDumps != (flag == "true") {
			t.Errorf("--core-dumps=%s: the status says %v", flag, st.CoreDumps)
		}
		must(t, p.Signal(syscall.SIGABRT))
		<-p.Done()
		return strings.Fields(rest)[0], p
	}

	if limit, p := crash("false"); limit != "0" || p.Dumped() || len(w.cores()) > 0 {
		t.Errorf("core files of %s bytes are allowed; dumped: %v, files: %v", limit, p.Dumped(), w.cores())
	}
	limit, p := crash("true")
	if limit != "unlimited" {
		t.Errorf("with --core-dumps core files of %s bytes are allowed", limit)
	}
	if !p.Dumped() {
		t.Skip("this system makes no core dumps, so their absence proves nothing")
	}
	for _, core := range w.cores() {
		data, err := os.ReadFile(core)
		if must(t, err); !bytes.Contains(data, []byte(lab.SecretOf("sg1"))) {
			t.Errorf("%s does not hold the secret: is it the daemon's?", core)
		}
	}
}

// cores are the core files of the sender's daemon, where core_pattern has them in
// its folder.
func (w *world) cores() []string {
	found, err := filepath.Glob(w.Sender.Path("core*"))
	must(w.t, err)
	return found
}
