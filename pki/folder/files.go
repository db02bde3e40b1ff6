package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The modes of files: keys are nobody else's business.
const (
	public fs.FileMode = 0o644
	secret fs.FileMode = 0o600
)

// write makes a file appear with all its contents. It replaces another one only
// if it may.
func write(path string, data []byte, mode fs.FileMode, replace bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil && replace {
		err = os.Rename(f.Name(), path)
	} else if err == nil {
		err = os.Link(f.Name(), path) // unlike a rename it fails where there is one
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("pki: %s is there already: move it away, or write --force", path)
	}
	if err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return nil
}

// read is os.ReadFile, with the way out where there is no file.
func read(path, fix string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pki: there is no %s: %s", path, fix)
	}
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return data, nil
}

// exists reports whether there is something at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// lock keeps others from changing the folder until unlock. It leaves no file
// behind.
func (f *Folder) lock() (unlock func(), err error) {
	dir, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("pki: cannot lock %s: %w", f.path, err)
	}
	return func() { dir.Close() }, nil
}
