package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks is the unit of CPU time in /proc: USER_HZ, a hundredth of a second on
// every architecture that Go runs on.
const ticks = 100

// cpuTime is CPU time so far, in seconds.
type cpuTime struct {
	machine float64 // of everything, interrupts included
	daemons float64 // of some processes, with what they do in the kernel
}

func (a cpuTime) minus(b cpuTime) cpuTime {
	return cpuTime{a.machine - b.machine, a.daemons - b.daemons}
}

// cpuNow reads the machine's time and that of the processes.
func cpuNow(pids []int) (cpuTime, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTime{}, fmt.Errorf("bench: %w", err)
	}
	var t cpuTime
	if t.machine, err = parseStat(string(b)); err != nil {
		return t, err
	}
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return t, fmt.Errorf("bench: %w", err)
		}
		own, err := parseProcess(string(b))
		if err != nil {
			return t, err
		}
		t.daemons += own
	}
	return t, nil
}

// parseStat adds up the busy columns of /proc/stat's first line (proc(5)): all
// but idle, iowait, what the hypervisor stole, and what guests used, which is
// part of user and nice.
func parseStat(s string) (float64, error) {
	line, _, _ := strings.Cut(s, "\n")
	f := strings.Fields(line)
	if len(f) < 8 || f[0] != "cpu" {
		return 0, fmt.Errorf("bench: /proc/stat starts with %q", line)
	}
	return sum(f[1], f[2], f[3], f[6], f[7])
}

// parseProcess adds user and system time of /proc/PID/stat, whose second field
// is a name in parentheses that may hold anything.
func parseProcess(s string) (float64, error) {
	_, rest, ok := cutLast(s, ") ")
	f := strings.Fields(rest)
	const utime, stime = 11, 12 // counted from the field after the name
	if !ok || len(f) <= stime {
		return 0, fmt.Errorf("bench: not a /proc/PID/stat: %q", s)
	}
	return sum(f[utime], f[stime])
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func sum(fields ...string) (float64, error) {
	var t float64
	for _, f := range fields {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("bench: CPU time: %w", err)
		}
		t += float64(n)
	}
	return t / ticks, nil
}
