package dataplane

import (
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"

	"warren/packet"
	"warren/poll"
)

// A source is a queue of the TUN or a reader of the underlay.
type source interface {
	ReadBatch(b packet.Batch) (int, error)
	TryBatch(b packet.Batch) (int, error)
	FD() int
}

// A stage is a source and where what it gives goes.
type stage struct {
	source
	all  packet.Batch
	take func(packet.Batch) error
	most int // batches in a row
	hot  int // rounds in which it is tried yet, without asking the kernel
}

// newStages makes the stages of the i-th worker: its TUN queue, and its sockets.
func (d *Dataplane) newStages(i int) (list []*stage) {
	if i < len(d.opt.Tun.Queues()) {
		e := newEgress(d, i, d.opt.Limits.Flows/len(d.opt.Tun.Queues()))
		d.egress = append(d.egress, e)
		list = append(list, d.newStage(e.tun, e.batch, 1))
	}
	if i < len(d.opt.Underlay.Queues()) {
		for _, r := range d.opt.Underlay.Queues()[i].Readers() {
			w := newIngress(d, i)
			d.ingress = append(d.ingress, w)
			list = append(list, d.newStage(r, w.batch, mostReceived))
		}
	}
	return list
}

func (d *Dataplane) newStage(s source, take func(packet.Batch) error, most int) *stage {
	return &stage{source: s, all: packet.NewBatch(d.opt.Limits.Batch, 0), take: take, most: most}
}

// nth is the i-th of list, or its last.
func nth[T any](list []T, i int) T { return list[min(i, len(list)-1)] }

// startStages starts a worker: one goroutine for all stages that can be polled,
// and one for each that cannot.
func (d *Dataplane) startStages(name string, list []*stage) {
	var polled []*stage
	for i, s := range list {
		if s.FD() >= 0 {
			polled = append(polled, s)
			continue
		}
		d.run(fmt.Sprintf("%s, stage %d", name, i), s.block)
	}
	if len(polled) > 0 {
		d.run(name, func() error { return d.comb(polled) })
	}
}

// block works on one stage alone.
func (s *stage) block() error {
	for {
		n, err := s.ReadBatch(s.all)
		if err != nil {
			return err
		}
		if err := s.take(s.all[:n]); err != nil {
			return err
		}
	}
}

const (
	// hotRounds is how many times a stage that had packets is tried after it had
	// none: asking the kernel which are ready costs as much as trying two.
	hotRounds = 4

	// mostReceived is how many batches are received and delivered in a row: what
	// this host answers, such as acknowledgments, then leaves in one call. Sending
	// goes batch by batch, for the far end to have work meanwhile.
	mostReceived = 8

	// maxRounds is after how many rounds the kernel is asked all the same.
	maxRounds = 32
)

// comb works on the stages in turn, each batch from one edge to the other, on one
// thread: whatever would hand packets to another would have to wake it, and that
// costs more than the packets.
func (d *Dataplane) comb(list []*stage) error {
	runtime.LockOSThread() // never unlocked: the thread ends with the worker
	batchScheduling()
	var set poll.Set
	for _, s := range list {
		set.Add(s.FD())
	}
	if err := d.wake.Call(func(fd uintptr) { set.Add(int(fd)) }); err != nil {
		return err
	}
	for idle := true; ; {
		if err := set.Wait(idle); err != nil {
			return err
		}
		if set.Ready(len(list)) {
			return net.ErrClosed
		}
		for i, s := range list {
			if set.Ready(i) {
				s.hot = hotRounds
			}
		}
		var err error
		if idle, err = rounds(list); err != nil {
			return err
		}
	}
}

// rounds tries the hot stages in turn until there is nothing more to do, and
// reports whether that is so.
func rounds(list []*stage) (idle bool, err error) {
	for range maxRounds {
		idle = true
		for _, s := range list {
			if s.hot == 0 {
				continue
			}
			worked, err := s.turn()
			if err != nil {
				return false, err
			}
			idle = idle && !worked
		}
		if idle {
			return true, nil
		}
	}
	return false, nil
}

// turn takes some batches, if there are any, all the way, and reports whether
// there were.
func (s *stage) turn() (worked bool, err error) {
	for range s.most {
		n, err := s.TryBatch(s.all)
		if err != nil {
			return worked, err
		}
		if n == 0 {
			break
		}
		worked = true
		if err := s.take(s.all[:n]); err != nil {
			return true, err
		}
	}
	s.hot--
	if worked {
		s.hot = hotRounds
	}
	return worked, nil
}

// batchScheduling lets the thread be preempted by those it wakes only after a
// while: they then find more to do. It is as well without.
func batchScheduling() {
	const schedBatch = 3
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: schedBatch}, 0)
}
