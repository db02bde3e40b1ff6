package dataplane

import (
	"slices"

	"warren/packet"
	"warren/tun"
)

// An ingress takes datagrams from an underlay reader to the TUN or to the
// Handler. It belongs to one goroutine.
type ingress struct {
	d       *Dataplane
	tun     tun.Queue
	opener  opener
	deliver packet.Batch // what goes to the TUN
	counts  counts
}

func newIngress(d *Dataplane, i int) *ingress {
	return &ingress{
		d:       d,
		tun:     nth(d.opt.Tun.Queues(), i),
		opener:  newOpener(d),
		deliver: make(packet.Batch, 0, d.opt.Limits.Batch),
	}
}

// batch takes datagrams all the way: one view, one write.
func (w *ingress) batch(b packet.Batch) error {
	w.counts.in.Add(uint64(len(b)))
	v := w.d.view.Load()
	for run := range slices.Chunk(b, openLen) {
		for i, f := range w.opener.open(v, run) {
			switch f {
			case toTUN:
				w.deliver = append(w.deliver, run[i])
			case toControl:
				w.counts.control.Add(1)
			case refused:
				w.counts.drop(run[i].Drop)
			}
		}
	}
	return w.flush()
}

// flush writes what has gathered to the TUN and counts it.
func (w *ingress) flush() error {
	b := w.deliver
	w.deliver = w.deliver[:0]
	if len(b) == 0 {
		return nil
	}
	var bytes uint64
	for _, p := range b {
		bytes += uint64(p.Len())
	}
	_, err := w.tun.WriteBatch(b)
	if err != nil {
		refuse(b, packet.Shutdown)
		bytes = 0
	}
	w.counts.out.Add(w.counts.dropped(b))
	w.counts.bytes.Add(bytes)
	return err
}
