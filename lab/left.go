package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Left lists what a closed lab has left behind: processes in its namespaces,
// links outside of them, files. Nothing is the good answer. A namespace without
// processes is gone: the lab gives none a name.
func (l *Lab) Left() []string {
	var left []string
	l.mu.Lock()
	spaces, procs := slices.Clone(l.spaces), slices.Clone(l.procs)
	l.mu.Unlock()
	for pid, space := range networkSpaces() {
		if slices.Contains(spaces, space) {
			left = append(left, fmt.Sprintf("process %d in %s: %s", pid, space, commandLine(pid)))
		}
	}
	for _, p := range procs {
		if !p.Exited() {
			left = append(left, fmt.Sprintf("process %d: %s", p.Pid(), p.Name))
		}
	}
	if _, err := os.Lstat(l.dir); err == nil {
		left = append(left, "directory "+l.dir)
	}
	if names, err := filepath.Glob("/sys/class/net/" + linkPrefix + "*"); err == nil {
		for _, n := range names {
			left = append(left, "link "+filepath.Base(n))
		}
	}
	slices.Sort(left)
	return left
}

// killStrays ends what daemons of the node have started and left: everything
// in the node's own network namespace but the anchor.
func (n *Node) killStrays() {
	for pid, space := range networkSpaces() {
		if space == n.space && pid != n.Pid() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// networkSpaces maps each process to its network namespace. Processes that end
// meanwhile are left out.
func networkSpaces() map[int]string {
	spaces := make(map[int]string)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		if s, err := os.Readlink(d + "/ns/net"); err == nil {
			spaces[pid] = s
		}
	}
	return spaces
}

func commandLine(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " "))
}
