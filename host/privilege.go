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

// CheckPrivileges says what this process lacks to run a node, one line for each
// thing, with the way out.
func CheckPrivileges(needs ...Need) error {
	caps, err := capabilities()
	if err != nil {
		return err
	}
	var errs []error
	if caps&(1<<unix.CAP_NET_ADMIN) == 0 {
		errs = append(errs, lacking("CAP_NET_ADMIN", "cap_net_admin"))
	}
	for _, n := range needs {
		switch {
		case n == RawSockets && caps&(1<<unix.CAP_NET_RAW) == 0:
			errs = append(errs, lacking("CAP_NET_RAW", "cap_net_raw"))
		case n == LowPorts && caps&(1<<unix.CAP_NET_BIND_SERVICE) == 0 && firstFreePort() > 500:
			errs = append(errs, lacking("CAP_NET_BIND_SERVICE", "cap_net_bind_service"))
		}
	}
	return errors.Join(append(errs, checkTUN("/dev/net/tun"))...)
}

func lacking(name, file string) error {
	exe, err := os.Executable()
	if err != nil {
		exe = "the program"
	}
	return fmt.Errorf("host: no %s: run as root, or grant it: setcap %s+ep %s", name, file, exe)
}

func checkTUN(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("host: no %s: modprobe tun, or in a container: --device /dev/net/tun --cap-add NET_ADMIN", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("host: %s may not be opened: run as root, or in a container: --device /dev/net/tun", path)
	}
	return fmt.Errorf("host: %w", err)
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
