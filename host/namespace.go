package host

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is the network namespace a Host works in. /proc/sys/net shows the
// namespace of the thread that looks, so files there are read and written on a
// thread that is in it.
type namespace struct {
	f    *os.File
	stat unix.Stat_t
}

const threadNS = "/proc/thread-self/ns/net"

func currentNamespace() (*namespace, error) {
	f, err := os.Open(threadNS)
	if err != nil {
		return nil, fmt.Errorf("host: find the network namespace: %w", err)
	}
	n := &namespace{f: f}
	if err := unix.Fstat(int(f.Fd()), &n.stat); err != nil {
		f.Close()
		return nil, fmt.Errorf("host: find the network namespace: %w", err)
	}
	return n, nil
}

func (n *namespace) close() { n.f.Close() }

// run calls fn on a thread of the namespace.
func (n *namespace) run(fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var here unix.Stat_t
	if err := unix.Stat(threadNS, &here); err != nil {
		return fmt.Errorf("host: find the network namespace: %w", err)
	}
	if here.Ino == n.stat.Ino && here.Dev == n.stat.Dev {
		return fn()
	}
	back, err := os.Open(threadNS)
	if err != nil {
		return fmt.Errorf("host: find the network namespace: %w", err)
	}
	defer back.Close()
	if err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("host: enter the network namespace: %w", err)
	}
	defer func() {
		if unix.Setns(int(back.Fd()), unix.CLONE_NEWNET) != nil {
			runtime.LockOSThread() // lost: let the thread die with its goroutine
		}
	}()
	return fn()
}

// read returns a sysctl's value; key is a path below /proc/sys.
func (n *namespace) read(key string) (value string, err error) {
	err = n.run(func() error {
		b, err := os.ReadFile(filepath.Join("/proc/sys", key))
		value = strings.TrimSpace(string(b))
		return err
	})
	return value, err
}

func (n *namespace) write(key, value string) error {
	return n.run(func() error { return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0) })
}

func (n *namespace) exists(key string) bool {
	return n.run(func() error { _, err := os.Stat(filepath.Join("/proc/sys", key)); return err }) == nil
}

// list returns the names in a directory below /proc/sys.
func (n *namespace) list(key string) (names []string, err error) {
	err = n.run(func() error {
		entries, err := os.ReadDir(filepath.Join("/proc/sys", key))
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return err
	})
	return names, err
}
