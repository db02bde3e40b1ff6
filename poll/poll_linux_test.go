package poll

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// events makes n descriptors in a Set, of which what is written to gets ready.
func events(t *testing.T, n int) (s Set, files []*os.File) {
	t.Helper()
	for range n {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "event")
		t.Cleanup(func() { f.Close() })
		s.Add(fd)
		files = append(files, f)
	}
	return s, files
}

func signal(t *testing.T, f *os.File) {
	if _, err := f.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Error(err)
	}
}

// TestWait waits for what is ready, gets ready soon, and long after the patience
// has ended.
func TestWait(t *testing.T) {
	for _, after := range []time.Duration{0, patience / 4, 20 * patience} {
		s, files := events(t, 3)
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(after)
			signal(t, files[1])
		}()
		if after == 0 {
			<-done
		}
		if err := s.Wait(true); err != nil {
			t.Fatal(err)
		}
		if s.Ready(0) || !s.Ready(1) || s.Ready(2) {
			t.Errorf("after %v: ready are %v", after, s)
		}
		<-done
	}
}

func TestWaitForNothing(t *testing.T) {
	s, files := events(t, 2)
	for _, want := range []bool{false, true} {
		if err := s.Wait(false); err != nil || s.Ready(0) || s.Ready(1) != want {
			t.Errorf("ready are %v, %v, want the second: %v", s, err, want)
		}
		signal(t, files[1])
	}
}

// TestWaitFails waits for more descriptors than the process may have.
func TestWaitFails(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 64, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()
	s := make(Set, few.Cur+1)
	for _, block := range []bool{false, true} {
		if err := s.Wait(block); err == nil {
			t.Error("Wait says nothing of it")
		}
	}
}
