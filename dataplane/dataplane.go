// Package dataplane moves packets between the TUN and the underlay, through
// nested ESP layers.
//
// A worker has a queue of the TUN and sockets of the underlay, and one goroutine
// on a thread of its own that takes each batch all the way. Egress: classify
// (5-tuple, flow cache, view), prepare (MTU, MSS, source translation), seal (each
// layer in place, innermost first), send. Ingress: open layer after layer, check
// for each that it came through the layer its SA is bound to and that its
// selectors cover what was inside, and deliver to the TUN or hand IKE to the
// control plane. Edges that cannot be polled have a goroutine each. What the
// workers work by is one immutable view, see [Dataplane.Publish]. Packets whose
// chain is not up wait in a bounded queue.
//
// Workers share SAs. The packets of one flow come by one queue and stay in order;
// those of one tunnel leave in the order of their sequence numbers, whichever
// worker seals them (see nest.Order), since the windows of peers may be small.
// What a peer sends arrives at one worker: the kernel divides the sockets' input
// by address and port.
//
// A super-packet from the TUN is decided about once and cut into packets as it is
// sealed; whole runs of packets go to the sockets and to the TUN at once.
//
// It implements the dataplane side of RFC 4301 (Sections 5, 7 and 8), RFC 3948,
// RFC 6040 and RFC 1191/8201. Not implemented: reassembly of inner fragments that
// hold ESP or IKE (they are dropped as fragment), transport mode for packets
// with IPv4 options or IPv6 extension headers, transport mode across a NAT that
// changes addresses (RFC 3948, Section 3.1.2), timers for NAT keepalives (see
// [Dataplane.Keepalive]).
//
// ESP is accepted raw and in UDP alike, whatever its SA negotiated: the packet is
// authenticated either way, and RFC 7296, Section 2.23, wants UDP taken also
// where no NAT was found. What is sent goes as negotiated.
package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"warren/nest"
	"warren/packet"
	"warren/poll"
	"warren/sa"
	"warren/tun"
	"warren/underlay"
)

// A View says what to do with packets: a *nest.View. It is immutable.
type View interface {
	Decide(f packet.Flow) nest.Decision
	Layer(id sa.Layer) *nest.LayerInfo
	Listens(a netip.Addr) bool
	Expects(f packet.Flow, from sa.Layer) sa.Layer
}

// A Handler is told what the dataplane cannot decide. Its methods are called
// from workers and must not block.
type Handler interface {
	// IKE is given a message that arrived from the network or inside a layer.
	IKE(m Message)

	// Need reports a packet that is held under key because its chain is not up.
	Need(f packet.Flow, key nest.Key)

	// PathMTU reports that IP packets to remote may have at most mtu bytes when
	// sent inside layer via, or on the network for sa.Network. What comes from
	// inside a layer is only as true as the peers of that layer.
	PathMTU(via sa.Layer, remote netip.Addr, mtu int)
}

// A Message is an IKE message with where it came from.
type Message struct {
	Via           sa.Layer // the layer it came out of; sa.Network for none
	Local, Remote netip.AddrPort
	NATT          bool   // it came with a non-ESP marker, which is gone
	Data          []byte // owned by the callee
}

// Limits bound what traffic can make the dataplane keep. Zero means the default.
type Limits struct {
	Flows        int           // cached flows, of all workers; 1048576
	Depth        int           // nested tunnels of one packet, besides a transport association; 8
	QueueBytes   int           // held for one chain; 256 KiB
	QueuePackets int           // held for one chain; 256
	QueueChains  int           // chains with held packets; 256
	QueueTTL     time.Duration // how long a packet is held; 10s
	Batch        int           // packets that go through the stages together; 128
}

func (l Limits) withDefaults() Limits {
	l.Flows = cmp.Or(l.Flows, 1<<20)
	l.Depth = cmp.Or(l.Depth, 8)
	l.QueueBytes = cmp.Or(l.QueueBytes, 256<<10)
	l.QueuePackets = cmp.Or(l.QueuePackets, 256)
	l.QueueChains = cmp.Or(l.QueueChains, 256)
	l.QueueTTL = cmp.Or(l.QueueTTL, 10*time.Second)
	l.Batch = cmp.Or(l.Batch, 128)
	return l
}

// Options are what a Dataplane works with. Tun, Underlay, SAD and Handler are
// required; the first two are closed by Close.
type Options struct {
	Tun      tun.Device
	Underlay underlay.Underlay
	SAD      *sa.SAD
	Handler  Handler
	Limits   Limits
	Log      *slog.Logger // lifecycle only; nil discards
}

// A Dataplane is the workers between a TUN and an underlay. Its methods may be
// called from any goroutine.
type Dataplane struct {
	opt     Options
	ports   underlay.Info
	view    atomic.Pointer[published]
	gen     atomic.Uint64
	senders atomic.Uint32 // egresses made

	hold    *holdQueue
	control *controlSender
	egress  []*egress
	ingress []*ingress
	stages  [][]*stage // of each worker
	paths   pathMTUs

	start, stop sync.Once
	workers     sync.WaitGroup
	stopping    chan struct{}
	wake        *poll.Wake // the same for who polls
	failed      atomic.Pointer[error]
}

// published is a view with the number that tells cached decisions whether they
// are still its.
type published struct {
	View
	gen uint64
}

// New returns a Dataplane that refuses all packets until a view is published.
func New(o Options) (*Dataplane, error) {
	if o.Tun == nil || o.Underlay == nil || o.SAD == nil || o.Handler == nil {
		return nil, errors.New("dataplane: Tun, Underlay, SAD and Handler are required")
	}
	o.Limits = o.Limits.withDefaults()
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	d := &Dataplane{opt: o, ports: o.Underlay.Info(), stopping: make(chan struct{})}
	var err error
	if d.wake, err = poll.NewWake(); err != nil {
		return nil, fmt.Errorf("dataplane: %w", err)
	}
	d.Publish(new(nest.View))
	d.hold = newHoldQueue(o.Limits)
	d.control = newControlSender(d)
	for i := range max(len(o.Tun.Queues()), len(o.Underlay.Queues())) {
		d.stages = append(d.stages, d.newStages(i))
	}
	return d, nil
}

// Publish makes v the view of all workers, from their next batch on.
func (d *Dataplane) Publish(v View) {
	d.view.Store(&published{v, d.gen.Add(1)})
}

// Start starts the workers. A second call does nothing.
func (d *Dataplane) Start() {
	d.start.Do(func() {
		for i, list := range d.stages {
			d.startStages(fmt.Sprintf("worker %d", i), list)
		}
		d.workers.Go(d.expire)
	})
}

// run starts a worker, and notes an error that ended it while nobody stopped it.
func (d *Dataplane) run(name string, work func() error) {
	d.workers.Go(func() {
		err := work()
		select {
		case <-d.stopping:
		default:
			d.opt.Log.Error("worker ended", "worker", name, "err", err)
			err = fmt.Errorf("dataplane: %s: %w", name, err)
			d.failed.CompareAndSwap(nil, &err)
		}
	})
}

// Err returns why a worker ended by itself, nil while all work.
func (d *Dataplane) Err() error {
	if p := d.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Close closes both edges, ends the workers and drops what is held. A second
// call does nothing.
func (d *Dataplane) Close() error {
	var err error
	d.stop.Do(func() {
		close(d.stopping)
		d.wake.Signal()
		err = errors.Join(d.opt.Tun.Close(), d.opt.Underlay.Close())
		d.workers.Wait()
		err = errors.Join(err, d.wake.Close())
		d.hold.dropAll(packet.Shutdown)
	})
	return err
}

// expire ends the time of held packets.
func (d *Dataplane) expire() {
	t := time.NewTicker(d.opt.Limits.QueueTTL / 4)
	defer t.Stop()
	for {
		select {
		case <-d.stopping:
			return
		case now := <-t.C:
			d.hold.expire(now)
		}
	}
}
