package underlay

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// explain turns an error of the kernel's into one line that names the socket and
// the way out.
func (s spec) explain(doing string, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("underlay: %v: %w: another IKE daemon runs here (`ss -ulpn` shows which): stop it or change %s", s, err, s.key())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("underlay: %v: %w: no interface has this address: change listen.address", s, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("underlay: %s %v: %w: run as root, or give the program CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE", doing, s, err)
	}
	return fmt.Errorf("underlay: %s %v: %w", doing, s, err)
}

// key is the config key that chooses the socket's port.
func (s spec) key() string {
	if s.role == roleNATT {
		return "listen.nat_t"
	}
	return "listen.ike"
}

// noIPv6 reports whether err says that this machine has no IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENOPROTOOPT)
}
