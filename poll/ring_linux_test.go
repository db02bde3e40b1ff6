package poll

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// newTestRing skips where the kernel has no io_uring, but fails in CI.
func newTestRing(t *testing.T, n int) *Ring {
	t.Helper()
	r, err := NewRing(n)
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// heap returns n buffers that do not move.
func heap(n int) [][]byte {
	all := make([]byte, n<<16)
	bufs := make([][]byte, n)
	for i := range bufs {
		bufs[i] = all[i<<16:][:100]
	}
	return bufs
}

// packets is a pair of sockets that keep the bounds of what is sent.
func packets(t *testing.T) (from, to int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// TestRingReads reads runs of several lengths, more often than the ring has places:
// in order, each to its buffer, and none later when there is something again.
func TestRingReads(t *testing.T) {
	r := newTestRing(t, 8)
	defer r.Close()
	from, to := packets(t)
	bufs, sizes := heap(8), make([]int, 8)
	for round := range 100 {
		there, asked := round%8, 1+round*3%8
		for i := range there {
			if _, err := unix.Write(from, bytes.Repeat([]byte{byte(round), byte(i)}, 1+i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Read(uintptr(to), bufs[:asked], sizes[:asked]); err != nil {
			t.Fatal(err)
		}
		for i, size := range sizes[:asked] {
			want := 2 * (1 + i)
			if i >= there {
				want = -int(unix.EAGAIN)
			}
			if size != want || size > 0 && (bufs[i][0] != byte(round) || bufs[i][1] != byte(i)) {
				t.Fatalf("round %d: read %d of %d got %d, want %d (% x)", round, i, asked, size, want, bufs[i][:4])
			}
		}
		for i := asked; i < there; i++ { // what was not asked for is left
			if n, err := unix.Read(to, bufs[0]); n != 2*(1+i) || bufs[0][1] != byte(i) {
				t.Fatalf("round %d: what is left is %d bytes, %v, want packet %d", round, n, err, i)
			}
		}
	}
}

// TestRingErrors: what a read comes to is a size below zero, and the next reads work.
func TestRingErrors(t *testing.T) {
	r := newTestRing(t, 4)
	defer r.Close()
	bufs, sizes := heap(4), make([]int, 4)
	if err := r.Read(uintptr(1<<20), bufs, sizes); err != nil || sizes[3] != -int(unix.EBADF) {
		t.Errorf("reads of no descriptor: %v, %v", sizes, err)
	}
	from, to := packets(t)
	_, _ = unix.Write(from, []byte("abc"))
	if err := r.Read(uintptr(to), bufs[:1], sizes); err != nil || sizes[0] != 3 || string(bufs[0][:3]) != "abc" {
		t.Errorf("the next read gives %d, %v", sizes[0], err)
	}
}

// TestRingRefused: a ring that cannot be is an error that says why.
func TestRingRefused(t *testing.T) {
	if _, err := NewRing(0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a ring without places: %v", err)
	}
}

func TestRingAllocs(t *testing.T) {
	r := newTestRing(t, 8)
	defer r.Close()
	_, to := packets(t)
	bufs, sizes := heap(8), make([]int, 8)
	if n := testing.AllocsPerRun(100, func() { _ = r.Read(uintptr(to), bufs, sizes) }); n != 0 {
		t.Errorf("Read allocates %v times", n)
	}
	runtime.KeepAlive(bufs)
}
