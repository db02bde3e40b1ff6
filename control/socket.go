package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// listenUnix makes the socket, mode 0600, and its folder. A daemon that answers
// there already is left alone; a socket that nobody answers is what a killed
// daemon left, and goes.
func listenUnix(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("control: cannot make the folder of socket %s: %w", path, errors.Unwrap(err))
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	// A socket's file gets the mode of its descriptor, so that no moment passes
	// in which others may connect.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmodErr error
		err := c.Control(func(fd uintptr) { chmodErr = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, chmodErr)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control: cannot listen on socket %s: %w", path, rootCause(err))
	}
	return l, nil
}

// lockDir keeps two daemons from taking each other's fresh socket for a stale
// one. The lock leaves no file behind.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("control: cannot open the folder of the socket: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("control: cannot lock %s: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil
}

// clearStale makes way at path, or says why not.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control: cannot look at socket %s: %w", path, rootCause(err))
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("control: %s exists and is not a socket; remove it or set control.socket to another path", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("control: another daemon answers on %s; stop it first, or set control.socket to another path", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("control: cannot tell whether a daemon answers on %s: %w", path, rootCause(err))
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("control: cannot remove the stale socket %s: %w", path, rootCause(err))
	}
	return nil
}

// rootCause is the system's own word where err wraps one: the path and the
// operation are said already.
func rootCause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
