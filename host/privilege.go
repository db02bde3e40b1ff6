package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Need is something beyond what every node needs.
type Need uint8

const (
	RawSockets Need = iota // ESP without UDP
	LowPorts               // UDP port 500
)

// CheckPrivileges says in one line what this process lacks to run a node, with
// the way out.
func CheckPrivileges(needs ...Need) error {
	caps, err := capabilities()
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		exe = "the program"
	}
	return privilegeError(lacking(caps, firstFreePort(), needs), exe, checkTUN("/dev/net/tun"))
}

// lacking names the capabilities that are needed and not in caps.
func lacking(caps uint64, firstFree int, needs []Need) []string {
	var names []string
	want := func(bit int, name string) {
		if caps&(1<<bit) == 0 {
			names = append(names, name)
		}
	}
	want(unix.CAP_NET_ADMIN, "CAP_NET_ADMIN")
	for _, n := range needs {
		switch {
		case n == RawSockets:
			want(unix.CAP_NET_RAW, "CAP_NET_RAW")
		case n == LowPorts && firstFree > 500:
			want(unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE")
		}
	}
	return names
}

// privilegeError puts what is missing into one line.
func privilegeError(missing []string, exe string, tun error) error {
	if len(missing) == 0 {
		if tun != nil {
			return fmt.Errorf("host: %w", tun)
		}
		return nil
	}
	grant := "it"
	if len(missing) > 1 {
		grant = "them"
	}
	err := fmt.Errorf("host: no %s: run as root, or grant %s: setcap %s+ep %s",
		strings.Join(missing, ", "), grant, strings.ToLower(strings.Join(missing, ",")), exe)
	if tun != nil && !errors.Is(tun, errTUNGuarded) {
		return fmt.Errorf("%w; and %w", err, tun)
	}
	return err
}

var errTUNGuarded = errors.New("may not be opened")

func checkTUN(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("no %s: modprobe tun, or in a container: --device /dev/net/tun --cap-add NET_ADMIN", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %w: run as root, or in a container: --device /dev/net/tun", path, errTUNGuarded)
	}
	return err
}

// capabilities returns the calling thread's effective set.
func capabilities() (uint64, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, fmt.Errorf("host: read capabilities: %w", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

func firstFreePort() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return 1024
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 1024
	}
	return n
}
