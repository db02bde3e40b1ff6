package tun

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"warren/packet"
)

// Native is a TUN interface of the Linux kernel.
type Native struct {
	dev      wgtun.Device
	ctl      *control
	mtu      atomic.Int64
	badReads atomic.Uint64 // super-packets that could not be split

	// The slices that the library's calls take: one set for the reader, one
	// for whoever writes.
	read    scratch
	writeMu sync.Mutex
	write   scratch

	closeOnce sync.Once
	closeErr  error
	drained   chan struct{} // closed when the library's events have ended
	closed    atomic.Bool
}

// scratch is a batch as the library wants it.
type scratch struct {
	bufs  [][]byte
	sizes []int
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

// ReadBatch is Device's.
func (d *Native) ReadBatch(b packet.Batch) (int, error) {
	s := &d.read
	s.bufs, s.sizes = s.bufs[:0], s.sizes[:0]
	for _, p := range b {
		p.Reset(packet.Headroom)
		buf := p.Buffer()
		s.bufs = append(s.bufs, buf[:len(buf)-min(packet.Tailroom, len(buf))])
		s.sizes = append(s.sizes, 0)
	}
	for {
		n, err := d.dev.Read(s.bufs, s.sizes, packet.Headroom)
		if n > 0 {
			for i, p := range b[:n] {
				p.SetWindow(packet.Headroom, packet.Headroom+s.sizes[i])
			}
			return n, nil
		}
		if d.closed.Load() {
			return 0, net.ErrClosed
		}
		if errors.Is(err, os.ErrClosed) {
			return 0, fmt.Errorf("tun: interface %s was deleted", d.ctl.name)
		}
		if err != nil && !d.survives(err) {
			return 0, fmt.Errorf("tun: read %s: %w", d.ctl.name, err)
		}
	}
}

// survives reports whether reading may go on after err. A super-packet that is
// malformed or has more segments than the batch has packets is lost, and
// counted; an error of the kernel's ends the device.
func (d *Native) survives(err error) bool {
	var path *os.PathError
	if errors.As(err, &path) && !path.Timeout() {
		return false
	}
	d.badReads.Add(1)
	return true
}

// BadReads returns how many reads gave a super-packet that could not be split.
func (d *Native) BadReads() uint64 { return d.badReads.Load() }

// WriteBatch is Device's.
func (d *Native) WriteBatch(b packet.Batch) (int, error) {
	d.writeMu.Lock()
	defer d.writeMu.Unlock()
	if d.closed.Load() {
		return 0, net.ErrClosed
	}
	sent := 0
	for len(b) > 0 {
		chunk := b[:min(len(b), maxWrite)]
		b = b[len(chunk):]
		n, err := d.writeChunk(chunk)
		if err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// maxWrite is the most packets that the library's coalescing table holds; it
// panics on more.
const maxWrite = 128

// writeChunk writes up to maxWrite packets. The library coalesces them and
// reports failed writes as a joined error, without saying which packets they
// held: that many are marked, from the back. In practice all fail (the
// interface is down) or none.
func (d *Native) writeChunk(b packet.Batch) (int, error) {
	bufs := d.write.bufs[:0]
	for _, p := range b {
		if p.Drop != packet.Live {
			continue
		}
		if p.Headroom() < WriteHeadroom || p.Len() == 0 {
			p.Drop = packet.TunError
			continue
		}
		off := p.Headroom() - WriteHeadroom
		bufs = append(bufs, p.Buffer()[off:off+WriteHeadroom+p.Len()])
	}
	d.write.bufs = bufs
	if len(bufs) == 0 {
		return 0, nil
	}
	written, err := d.dev.Write(bufs, WriteHeadroom)
	if err == nil {
		return len(bufs), nil
	}
	if errors.Is(err, os.ErrClosed) && d.closed.Load() {
		return 0, net.ErrClosed
	}
	failed := len(bufs)
	if written > 0 {
		failed = min(failed, countErrors(err))
	}
	markLast(b, failed)
	return len(bufs) - failed, nil
}

// markLast refuses the last n live packets of b.
func markLast(b packet.Batch, n int) {
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		if b[i].Drop == packet.Live {
			b[i].Drop = packet.TunError
			n--
		}
	}
}

// countErrors returns how many errors the nest of joined errors holds.
func countErrors(err error) (n int) {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return 1
	}
	for _, e := range j.Unwrap() {
		n += countErrors(e)
	}
	return n
}

// Name is Device's.
func (d *Native) Name() string { return d.ctl.name }

// MTU is Device's.
func (d *Native) MTU() int { return int(d.mtu.Load()) }

// SetMTU is Device's.
func (d *Native) SetMTU(mtu int) error {
	if err := d.ctl.setMTU(mtu); err != nil {
		return fmt.Errorf("tun: set mtu of %s to %d: %w", d.ctl.name, mtu, err)
	}
	d.mtu.Store(int64(mtu))
	return nil
}

// Close is Device's.
func (d *Native) Close() error {
	d.closeOnce.Do(func() {
		d.closed.Store(true)
		if err := d.dev.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			d.closeErr = fmt.Errorf("tun: close %s: %w", d.ctl.name, err)
		}
		<-d.drained
		d.ctl.close()
	})
	return d.closeErr
}
