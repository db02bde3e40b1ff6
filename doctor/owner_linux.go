package doctor

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A process is who has a port.
type process struct {
	pid  int
	name string // empty: not known
}

func (p process) String() string {
	if p.name == "" {
		return "another program (ss -ulpn shows which, to root)"
	}
	return fmt.Sprintf("%s (pid %d)", p.name, p.pid)
}

// owner finds the process that has a UDP port.
func owner(port uint16) process {
	var sockets []string
	for _, file := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		sockets = append(sockets, bound(f, port)...)
		f.Close()
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && slices.Contains(sockets, to) {
			pid := strings.Split(fd, "/")[2]
			comm, _ := os.ReadFile("/proc/" + pid + "/comm")
			n, _ := strconv.Atoi(pid)
			return process{n, strings.TrimSpace(string(comm))}
		}
	}
	return process{}
}

// bound lists the sockets of a table like /proc/net/udp that have the port, as
// links of /proc/PID/fd name them.
func bound(table io.Reader, port uint16) (sockets []string) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // sl local_address rem_address st queues tr retrnsmt uid timeout inode ...
		if len(f) < 10 {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(n) == port {
			sockets = append(sockets, "socket:["+f[9]+"]")
		}
	}
	return sockets
}
