package tun

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"warren/poll"
)

// Native is a TUN interface of the Linux kernel.
type Native struct {
	Queue    // the first
	dev      wgtun.Device
	ctl      *control
	queues   []Queue
	files    []*poll.File // of queues, where they are raw
	notes    []string     // see Info
	mtu      atomic.Int64
	badReads atomic.Uint64 // what was read and is no packet

	closeOnce sync.Once
	closeErr  error
	drained   chan struct{} // closed when the library's events have ended
	closed    atomic.Bool
}

var _ Device = (*Native)(nil)

func newNative(dev wgtun.Device, ctl *control, mtu int) *Native {
	d := &Native{dev: dev, ctl: ctl, drained: make(chan struct{})}
	d.mtu.Store(int64(mtu))
	go func() {
		defer close(d.drained)
		for range dev.Events() { // a full channel would block the library
		}
	}()
	return d
}

// add makes f, which was opened as blocking, a queue.
func (d *Native) add(f *os.File, o Options, uso bool) error {
	pf, err := poll.NewFile(f)
	if err != nil {
		f.Close()
		return err
	}
	d.files = append(d.files, pf)
	var ring *poll.Ring
	if !o.NoRing {
		ring, _ = poll.NewRing(maxAhead) // it is as well without: see Info
	}
	d.queues = append(d.queues, newRawQueue(d, pf, ring, uso))
	return nil
}

// ringed reports whether every queue has a ring.
func (d *Native) ringed() bool {
	return !slices.ContainsFunc(d.queues, func(q Queue) bool { r, ok := q.(*rawQueue); return ok && !r.ringed.Load() })
}

// Queues is Device's.
func (d *Native) Queues() []Queue { return d.queues }

// BadReads returns how many reads gave something that is no packet.
func (d *Native) BadReads() uint64 { return d.badReads.Load() }

// Name is Device's.
func (d *Native) Name() string { return d.ctl.name }

// MTU is Device's.
func (d *Native) MTU() int { return int(d.mtu.Load()) }

// Info is Device's.
func (d *Native) Info() Info {
	info := Info{Queues: len(d.queues), VNet: len(d.files) > 0, Notes: slices.Clone(d.notes)}
	if !info.VNet {
		return info
	}
	info.TSO, info.USO, info.Ring = true, true, d.ringed()
	refused, lost := false, false
	for _, q := range d.queues {
		q := q.(*rawQueue)
		tso, uso, gone := q.cuts()
		info.TSO, info.USO, refused = info.TSO && tso, info.USO && uso, refused || gone
		lost = lost || q.lost.Load()
	}
	if refused {
		info.Notes = append(info.Notes, noteRefused)
	}
	if lost {
		info.Notes = append(info.Notes, noteNoRing)
	}
	return info
}

// SetMTU is Device's.
func (d *Native) SetMTU(mtu int) error {
	if err := d.ctl.setMTU(mtu); err != nil {
		return fmt.Errorf("tun: set mtu of %s to %d: %w", d.ctl.name, mtu, err)
	}
	d.mtu.Store(int64(mtu))
	return nil
}

func (d *Native) deleted() error { return fmt.Errorf("tun: interface %s was deleted", d.ctl.name) }

// Close is Device's.
func (d *Native) Close() error {
	d.closeOnce.Do(func() {
		d.closed.Store(true)
		for _, f := range d.files {
			d.closeErr = errors.Join(d.closeErr, f.Close())
		}
		// The library wakes its listener through a pipe, of which that may have
		// closed either end by then.
		if err := d.dev.Close(); err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, syscall.EPIPE) {
			d.closeErr = errors.Join(d.closeErr, err)
		}
		if d.closeErr != nil {
			d.closeErr = fmt.Errorf("tun: close %s: %w", d.ctl.name, d.closeErr)
		}
		<-d.drained
		d.ctl.close()
	})
	return d.closeErr
}
