package lab

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// A Snapshot is the state that a daemon could leave changed in its node's
// kernel: one sorted line per link, address, route and rule.
type Snapshot []string

// Snapshot reads the node's state.
func (n *Node) Snapshot(ctx context.Context) (Snapshot, error) {
	const script = `ip -o link; ip -o addr; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; nft list ruleset || true`
	out, err := n.Run(ctx, "sh", "-c", script)
	if err != nil {
		return nil, err
	}
	// Counters, timers and the state of neighbors move on their own.
	volatile := regexp.MustCompile(`\b(expires \S+|valid_lft \S+|preferred_lft \S+|qlen \d+|age \S+|packets \d+ bytes \d+)`)
	var s Snapshot
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(volatile.ReplaceAllString(line, "")); line != "" {
			s = append(s, strings.Join(strings.Fields(line), " "))
		}
	}
	slices.Sort(s)
	return s, nil
}

// Diff says what b has and a has not, and the other way round.
func (a Snapshot) Diff(b Snapshot) []string {
	var d []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			d = append(d, "- "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			d = append(d, "+ "+line)
		}
	}
	return d
}

// OpenFiles lists what the process's file descriptors point to, by kind:
// "socket" rather than which socket.
func (p *Process) OpenFiles() ([]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", p.Pid())
	fds, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("lab: %s: %w", p.Name, err)
	}
	var files []string
	for _, fd := range fds {
		to, err := os.Readlink(dir + "/" + fd.Name())
		if err != nil {
			continue // closed meanwhile
		}
		kind, _, _ := strings.Cut(to, ":[")
		files = append(files, kind)
	}
	slices.Sort(files)
	return files, nil
}
