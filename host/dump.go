package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// SetDumpable lets the memory of this process get into core files and be read by
// other processes of its user, or not. Root can read it in any case.
func SetDumpable(on bool) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("host: core dumps: %w", err)
	}
	dumpable := uintptr(0)
	if limit.Cur = 0; on {
		limit.Cur, dumpable = limit.Max, 1
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return fmt.Errorf("host: core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, dumpable, 0, 0, 0); err != nil {
		return fmt.Errorf("host: core dumps: %w", err)
	}
	return nil
}

// Dumpable reports whether it may be dumped.
func Dumpable() bool {
	on, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return err != nil || on != 0
}
