package tun

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"warren/packet"
)

// A libraryQueue reads and writes through the library, packet by packet: for
// devices without virtio header.
type libraryQueue struct {
	dev *Native
	tun wgtun.Device

	slab  []byte
	bufs  [][]byte // the arguments of the library's calls
	sizes []int

	writeMu  sync.Mutex
	writeBuf [][]byte // guarded by writeMu
}

func newLibraryQueue(d *Native, dev wgtun.Device) *libraryQueue {
	slab := make([]byte, slotLen)
	return &libraryQueue{
		dev: d, tun: dev, slab: slab,
		bufs: [][]byte{slab[:len(slab)-packet.Tailroom]}, sizes: make([]int, 1), writeBuf: make([][]byte, 1),
	}
}

// FD is Queue's: the runtime's poller has the descriptor.
func (q *libraryQueue) FD() int { return -1 }

// TryBatch is Queue's.
func (q *libraryQueue) TryBatch(packet.Batch) (int, error) { return 0, nil }

// ReadBatch is Queue's.
func (q *libraryQueue) ReadBatch(b packet.Batch) (int, error) {
	for {
		n, err := q.tun.Read(q.bufs, q.sizes, packet.Headroom)
		switch {
		case n > 0 && q.sizes[0] > 0:
			b[0].Lend(q.slab, packet.Headroom, packet.Headroom+q.sizes[0])
			return 1, nil
		case q.dev.closed.Load():
			return 0, net.ErrClosed
		case errors.Is(err, os.ErrClosed):
			return 0, q.dev.deleted()
		case err != nil:
			return 0, fmt.Errorf("tun: read %s: %w", q.dev.ctl.name, err)
		}
		q.dev.badReads.Add(1)
	}
}

// WriteBatch is Queue's.
func (q *libraryQueue) WriteBatch(b packet.Batch) (sent int, err error) {
	q.writeMu.Lock()
	defer q.writeMu.Unlock()
	if q.dev.closed.Load() {
		return 0, net.ErrClosed
	}
	for _, p := range b {
		if p.Drop != packet.Live {
			continue
		}
		q.writeBuf[0] = p.Bytes()
		_, err := q.tun.Write(q.writeBuf, 0)
		switch {
		case err == nil:
			sent++
		case errors.Is(err, os.ErrClosed) && q.dev.closed.Load():
			return sent, net.ErrClosed
		default:
			p.Drop = packet.TunError
		}
	}
	return sent, nil
}
