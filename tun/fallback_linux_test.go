package tun

import (
	"bytes"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/poll"
)

// TestWriteRunFallback writes a run to what takes single packets only: they arrive
// one by one, as they were.
func TestWriteRunFallback(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil { // the least: no room for a run
		t.Fatal(err)
	}
	f, err := poll.NewFile(os.NewFile(uintptr(fds[0]), "seqpacket"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	q := newRawQueue(&Native{}, f, nil, true)
	b := packet.NewBatch(6, 1500)
	var want [][]byte
	for i, p := range b {
		p.Set(bytes.Repeat([]byte{byte(i)}, 1028))
		packet.PutIP(p.Bytes(), packet.IPHeader{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), Proto: packet.ProtoUDP, TTL: 64, DF: true, Len: 1028})
		packet.PutUDP(p.Bytes()[20:], 1, 2, 1008)
		packet.SetUDPChecksum(p.Bytes())
		want = append(want, append(make([]byte, 10), p.Bytes()...))
	}
	n, err := q.WriteBatch(b)
	if n == 0 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	for i, w := range want {
		if refused := i >= n; refused != (b[i].Drop == packet.TunError) {
			t.Errorf("packet %d of which %d were written is %v", i, n, b[i].Drop)
			continue
		} else if refused {
			continue // the buffer is full: as many arrive as it holds
		}
		buf := make([]byte, 65536)
		got, err := unix.Read(fds[1], buf)
		if err != nil || !bytes.Equal(buf[:got], w) {
			t.Fatalf("packet %d: %d bytes, %v, want %d equal ones", i, got, err, len(w))
		}
	}
}

// TestOneQueueFallback has a kernel that knows no devices with several queues.
func TestOneQueueFallback(t *testing.T) {
	var tried []int
	old := func(o Options, flags, _ int) (*os.File, error) {
		tried = append(tried, flags)
		if flags&unix.IFF_MULTI_QUEUE != 0 {
			return nil, unix.EINVAL
		}
		return os.Open(os.DevNull)
	}
	f, flags, err := openFirst(Options{Queues: 4}, old)
	if err != nil || flags != rawFlags || len(tried) != 2 {
		t.Fatalf("openFirst tries %#x and ends with %#x, %v", tried, flags, err)
	}
	f.Close()
	d := &Native{queues: make([]Queue, 1)}
	d.noteRaw(Options{Queues: 4}, true)
	if len(d.notes) != 1 || d.notes[0] != noteOneQueue {
		t.Errorf("notes %q", d.notes)
	}
}

// TestWriteRefused notes that runs are not tried again.
func TestWriteRefused(t *testing.T) {
	q := &rawQueue{tso: true, refused: true}
	d := &Native{queues: []Queue{q}, files: make([]*poll.File, 1)}
	if got := d.Info(); !got.TSO || got.USO || len(got.Notes) != 1 || got.Notes[0] != noteRefused {
		t.Errorf("Info() = %+v", got)
	}
}

func TestVnetComplete(t *testing.T) {
	p := packet.New(100)
	p.Set(make([]byte, 30))
	for name, tt := range map[string]struct {
		h    vnet
		want bool
	}{
		"nothing to do":      {vnet{}, true},
		"checksum":           {vnet{0: needsCSUM, 6: 20, 8: 6}, true},
		"checksum outside":   {vnet{0: needsCSUM, 6: 20, 8: 9}, false},
		"segments of none":   {vnet{1: gsoUDP}, false},
		"segments":           {vnet{1: gsoTCPv6 | gsoECN, 4: 9}, true},
		"an unknown offload": {vnet{1: 3, 4: 9}, false},
	} {
		if got := tt.h.take(p); got != tt.want {
			t.Errorf("%s: take = %v, want %v", name, got, tt.want)
		}
	}
}
