package dataplane

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"warren/packet"
)

// An eventSource can be polled: it gives as many packets as were asked for.
type eventSource struct{ f *os.File }

func newEventSource(t *testing.T) eventSource {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK|unix.EFD_SEMAPHORE)
	if err != nil {
		t.Fatal(err)
	}
	s := eventSource{os.NewFile(uintptr(fd), "event")}
	t.Cleanup(func() { s.f.Close() })
	return s
}

func (s eventSource) FD() int { return int(s.f.Fd()) }

func (s eventSource) add(n byte) { _, _ = unix.Write(s.FD(), []byte{n, 0, 0, 0, 0, 0, 0, 0}) }

func (s eventSource) ReadBatch(packet.Batch) (int, error) { return 0, errors.ErrUnsupported }

func (s eventSource) TryBatch(packet.Batch) (int, error) {
	if _, err := unix.Read(s.FD(), make([]byte, 8)); err != nil {
		return 0, nil
	}
	return 1, nil
}

// TestComb feeds three sources at once and one after the other, and ends them.
func TestComb(t *testing.T) {
	p := newPair(t, nests["udp tunnel"]...)
	d := p.a.dp
	taken := make(chan int, 1000)
	var sources []eventSource
	var list []*stage
	for i := range 3 {
		s := newEventSource(t)
		sources = append(sources, s)
		list = append(list, d.newStage(s, func(b packet.Batch) error {
			if len(b) != 1 {
				t.Errorf("batch of %d, want 1", len(b))
			}
			taken <- i
			return nil
		}, 1+i))
	}
	ended := make(chan error)
	go func() { ended <- d.comb(list) }()
	for _, burst := range [][]byte{{1, 0, 0}, {0, 0, 1}, {200, 100, 50}, {0, 1, 0}} {
		left := map[int]int{}
		total := 0
		for i, n := range burst {
			left[i] += int(n)
			total += int(n)
			if n > 0 {
				sources[i].add(n)
			}
		}
		for range total {
			select {
			case i := <-taken:
				left[i]--
			case <-time.After(5 * time.Second):
				t.Fatalf("burst %v: %v are left", burst, left)
			}
		}
		for i, n := range left {
			if n != 0 {
				t.Errorf("burst %v: %d of source %d are left", burst, n, i)
			}
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the worker ended with %v, want net.ErrClosed", err)
	}
}
