package tuntest

import (
	"hash/maphash"

	"warren/packet"
)

// queueOf is the queue by which packet b comes: the one that answers to it were
// written by, as with a kernel's, or any that is always the same.
func (d *Device) queueOf(b []byte) *queue {
	f, _, drop := packet.ParseFlow(b)
	if len(d.queues) == 1 || drop != packet.Live {
		return d.queues[0]
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.steer[f] == nil {
		d.steer[f] = d.queues[maphash.Comparable(d.seed, f)%uint64(len(d.queues))]
	}
	return d.steer[f]
}

// steerBack has the answers to packet b come by q.
func (d *Device) steerBack(b []byte, q *queue) {
	if f, _, drop := packet.ParseFlow(b); len(d.queues) > 1 && drop == packet.Live {
		d.mu.Lock()
		defer d.mu.Unlock()
		f.Src, f.Dst, f.SrcPort, f.DstPort = f.Dst, f.Src, f.DstPort, f.SrcPort
		d.steer[f] = q
	}
}
