package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// sysctl is a value that was changed, or (old equal to new) one that another
// change may disturb and that is put back after it.
type sysctl struct {
	Key string `json:"key"` // path below /proc/sys
	Old string `json:"old"`
	New string `json:"new"`
}

// set changes a sysctl for as long as the Host is open.
func (h *Host) set(key, value string) error {
	old, err := h.ns.read(key)
	if err != nil {
		return fmt.Errorf("host: read %s: %w", dotted(key), err)
	}
	if old == value {
		return nil
	}
	if err := h.journal.note(change{Sysctl: &sysctl{key, old, value}}); err != nil {
		return err
	}
	return writeError(key, value, h.ns.write(key, value))
}

// keep notes a value that a later change disturbs.
func (h *Host) keep(key string) error {
	old, err := h.ns.read(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("host: read %s: %w", dotted(key), err)
	}
	return h.journal.note(change{Sysctl: &sysctl{key, old, old}})
}

// restore puts the old value back, unless somebody else has changed ours since
// or the interface is gone.
func (h *Host) restore(s sysctl) error {
	now, err := h.ns.read(s.Key)
	if errors.Is(err, fs.ErrNotExist) || now == s.Old && err == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("host: read %s: %w", dotted(s.Key), err)
	}
	if s.New != s.Old && now != s.New {
		h.log.Info("host: leaving a sysctl that somebody else has changed", "sysctl", dotted(s.Key), "value", now)
		return nil
	}
	return writeError(s.Key, s.Old, h.ns.write(s.Key, s.Old))
}

func writeError(key, value string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("host: %s must be %s, but /proc/sys is read-only: start the container with --sysctl %s=%s",
			dotted(key), value, dotted(key), value)
	}
	return fmt.Errorf("host: set %s to %s: %w", dotted(key), value, err)
}

// dotted is the key as sysctl(8) writes it: interface names may hold dots.
func dotted(key string) string {
	if strings.Contains(key, ".") {
		return key
	}
	return strings.ReplaceAll(key, "/", ".")
}
