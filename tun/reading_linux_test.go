package tun

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/poll"
)

// newReader is a queue whose other end is from: what is written there is read as one
// packet with its virtio header. ring says whether it has one.
func newReader(t *testing.T, ring bool) (q *rawQueue, from int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]) })
	return openReader(t, os.NewFile(uintptr(fds[1]), "seqpacket"), ring), fds[0]
}

func openReader(t *testing.T, file *os.File, ring bool) *rawQueue {
	t.Helper()
	f, err := poll.NewFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var r *poll.Ring
	if ring {
		if r, err = poll.NewRing(maxAhead); err != nil && os.Getenv("CI") != "true" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return newRawQueue(&Native{}, f, r, true)
}

// TestReadAhead reads bursts of all lengths, of packets small and large: all of
// them, in their order, with and without a ring.
func TestReadAhead(t *testing.T) {
	for _, ring := range []bool{true, false} {
		q, from := newReader(t, ring)
		r := rand.New(rand.NewPCG(1, 1))
		b := packet.NewBatch(128, 0)
		next, most := uint32(0), 0
		for sent := uint32(0); sent < 20_000; {
			for range r.IntN(100) {
				size := 60
				if r.IntN(50) == 0 {
					size = 30_000
				}
				data := make([]byte, vnetLen+size)
				binary.BigEndian.PutUint32(data[vnetLen:], sent)
				if unix.Sendto(from, data, unix.MSG_DONTWAIT, nil) != nil {
					break // full
				}
				sent++
			}
			for {
				n, err := q.TryBatch(b)
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					break
				}
				most = max(most, q.count)
				for _, p := range b[:n] {
					if got := binary.BigEndian.Uint32(p.Bytes()); got != next || p.Len() != 60 && p.Len() != 30_000 {
						t.Fatalf("ring %v: packet %d with %d bytes, want %d", ring, got, p.Len(), next)
					}
					if p.Headroom() < packet.Headroom || p.Tailroom() < packet.Tailroom {
						t.Fatalf("%d bytes of headroom and %d of tailroom", p.Headroom(), p.Tailroom())
					}
					next++
				}
			}
			if next != sent {
				t.Fatalf("ring %v: %d packets of %d", ring, next, sent)
			}
		}
		if (most > 32) != ring {
			t.Errorf("ring %v: %d reads at once", ring, most)
		}
	}
}

// TestRingLost: where the kernel has rings, but not for such a device, reading goes on
// without, and that is noted.
func TestRingLost(t *testing.T) {
	file, err := os.Open("/proc/self/cmdline") // knows no reads that do not wait
	if err != nil {
		t.Fatal(err)
	}
	q := openReader(t, file, true)
	q.ahead = 4
	d := &Native{queues: []Queue{q}, files: make([]*poll.File, 1)}
	if info := d.Info(); !info.Ring || len(info.Notes) != 0 {
		t.Errorf("at first: %+v", info)
	}
	if _, err := q.TryBatch(packet.NewBatch(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := q.TryBatch(packet.NewBatch(8, 0)); err != nil {
		t.Fatal(err)
	}
	if info := d.Info(); info.Ring || len(info.Notes) != 1 || info.Notes[0] != noteNoRing {
		t.Errorf("in the end: %+v", info)
	}
	if q.dev.badReads.Load() == 0 && q.sizes[0] <= 0 {
		t.Error("nothing was read without the ring")
	}
}

// TestSmallPackets: super-packets are read one by one, for the cache.
func TestSmallPackets(t *testing.T) {
	r := reading{ring: new(poll.Ring)}
	for _, tt := range []struct{ n, total, want int }{
		{1, 60, 1}, {20, 20 * 60, 20}, {100, 100 * 1400, maxAhead}, {2, 2 * smallLen, 1}, {2, 70_000, 1},
	} {
		if r.expect(tt.n, tt.total); r.ahead != tt.want {
			t.Errorf("after %d packets of %d bytes: %d, want %d", tt.n, tt.total, r.ahead, tt.want)
		}
	}
}
