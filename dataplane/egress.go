package dataplane

import (
	"time"

	"warren/nest"
	"warren/packet"
	"warren/sa"
	"warren/tun"
	"warren/underlay"
)

const (
	maxFragments = 64   // spare packets of a batch
	spareLen     = 9216 // of one; a chain with a larger MTU gets fragments of this size
	maxAnswers   = 64   // ICMP errors for one batch
)

// An egress takes packets from the TUN, or from the hold queue, to the
// underlay. It belongs to one goroutine, or to whoever holds the lock of the
// controlSender.
type egress struct {
	d       *Dataplane
	tun     tun.Queue
	net     underlay.Queue
	cache   *flowCache[decided]
	held    heldKeys
	answers *answers
	sealer  sealer
	split   packet.Splitter
	plans   []nest.Decision // about the packets of the batch
	links   []*nest.Link    // of the bundles in plans
	outs    []*sa.Outbound  // of links
	touched uint64          // means nothing
	slots   slots           // for what super-packets are split into
	spare   packet.Batch    // for fragments
	used    int             // of spare
	out     packet.Batch    // what goes to the underlay, in order
	run     struct {        // the tail of out that is sealed together
		from   int
		bundle *nest.Bundle
	}
	turns turns
	need  struct { // what the Handler is to be told
		flow packet.Flow
		key  nest.Key // "": nothing
	}
	in, bytes    uint64 // counted once a batch, as these
	hits, misses uint64
	counts       counts
}

func newEgress(d *Dataplane, i, flows int) *egress {
	return &egress{
		d:       d,
		turns:   turns{worker: uint32(d.senders.Add(1))},
		tun:     nth(d.opt.Tun.Queues(), i),
		net:     nth(d.opt.Underlay.Queues(), i),
		cache:   newFlowCache[decided](flows),
		answers: newAnswers(maxAnswers),
		spare:   packet.NewBatch(maxFragments, spareLen),
		slots:   newSlots(d.opt.Limits.Batch),
		out:     make(packet.Batch, 0, 2*d.opt.Limits.Batch+maxFragments),
	}
}

// batch takes packets all the way: one view, and one write unless super-packets
// are many.
func (e *egress) batch(b packet.Batch) error {
	v := e.d.view.Load()
	now := time.Now()
	e.plan(v, b)
	for i, p := range b {
		if p.Segment > 0 {
			if err := e.super(v, p, e.plans[i], now); err != nil {
				return err
			}
			continue
		}
		e.arrived(p)
		e.dispatch(p, e.plans[i], now)
	}
	err := e.flush()
	e.slots.reset()
	return err
}

// plan decides about the packets of b, and then touches what they will need: in
// this order, and for all of them before anything is done with the first, the
// processor waits for the memory of many flows and SAs at once.
func (e *egress) plan(v *published, b packet.Batch) {
	e.plans = e.plans[:0]
	for _, p := range b {
		classify(p)
		e.plans = append(e.plans, e.decide(v, p))
	}
	e.touch()
}

// touch brings what sealing needs into the processor's cache, a step for all
// bundles at a time, since no step can begin before the one before it has ended.
func (e *egress) touch() {
	var last *nest.Bundle
	for i := range e.plans {
		b := e.plans[i].Bundle
		if b == nil || b == last {
			continue
		}
		last = b
		e.touched += b.Touch()
		for j := range b.Layers {
			e.links = append(e.links, b.Layers[j].Link)
		}
	}
	for _, l := range e.links {
		if out := l.Out.Load(); out != nil {
			e.outs = append(e.outs, out)
		}
	}
	for _, out := range e.outs {
		e.touched += out.Last()
	}
	for _, out := range e.outs {
		e.touched += out.Touch()
	}
	clear(e.outs) // an SA that goes is not kept here, nor its key
	e.links, e.outs = e.links[:0], e.outs[:0]
}

// arrived counts a packet from the TUN.
func (e *egress) arrived(p *packet.Packet) {
	e.in++
	e.bytes += uint64(p.Len())
}

// super splits a super-packet and dispatches what it stood for. Where all of it
// is to be sent, that is decided and prepared but once.
func (e *egress) super(v *published, p *packet.Packet, d nest.Decision, now time.Time) error {
	if p.Drop == packet.Live && !e.split.Start(p) {
		p.Drop = packet.Malformed
	}
	if p.Drop != packet.Live {
		e.arrived(p)
		e.counts.drop(p.Drop)
		return nil
	}
	bundle := d.Bundle
	direct := d.Verdict == nest.Send && e.split.Largest() <= int(bundle.MTU)
	if direct {
		translateSource(p, bundle)
		direct = e.split.Start(p) && p.Drop == packet.Live
	}
	around, largest := anyRoom, e.split.Largest()
	if direct {
		around = roomOf(bundle, largest)
	}
	for {
		q := e.slots.next(around, largest)
		if q == nil {
			if err := e.flush(); err != nil {
				return err
			}
			e.slots.reset()
			continue
		}
		if !e.split.Next(q) {
			return nil
		}
		e.arrived(q)
		if direct {
			e.send(q, bundle)
		} else {
			e.dispatch(q, e.decide(v, q), now)
		}
	}
}

// dispatch carries out the decision d about p: on the way to be sealed, held, or
// refused and counted.
func (e *egress) dispatch(p *packet.Packet, d nest.Decision, now time.Time) {
	if p.Drop != packet.Live {
		e.counts.drop(p.Drop)
		return
	}
	switch d.Verdict {
	case nest.Send:
		e.send(p, d.Bundle)
	case nest.Hold:
		if d.Key != e.need.key {
			e.tell()
		}
		e.d.hold.add(d.Key, p, now)
		e.need.flow, e.need.key = p.Flow, d.Key
	case nest.Unreachable:
		e.answers.unreachable(p.Bytes(), p.Flow.Dst)
		e.counts.drop(packet.Unreachable)
	default:
		e.counts.drop(reason(d))
	}
}

// tell tells the Handler what is needed for the packets held last. It comes after
// all of them: a chain that is up by now is released but once.
func (e *egress) tell() {
	if e.need.key != "" {
		e.d.opt.Handler.Need(e.need.flow, e.need.key)
	}
	e.need.key = ""
}

// reason is why a decision refuses a packet.
func reason(d nest.Decision) packet.Drop {
	switch {
	case d.Drop != packet.Live:
		return d.Drop
	case d.Verdict == nest.Bypass:
		return packet.BypassOnTUN
	}
	return packet.Discard
}

// send puts p on the way through bundle.
func (e *egress) send(p *packet.Packet, bundle *nest.Bundle) {
	if e.run.bundle != bundle {
		e.sealRun()
		e.run.bundle = bundle
	}
	if !prepare(p, bundle) {
		e.tooBig(p, bundle)
		return
	}
	e.out = append(e.out, p)
}

// tooBig fragments a packet that is larger than its chain's MTU, where it may be,
// and answers it otherwise, with the innermost figure.
func (e *egress) tooBig(p *packet.Packet, bundle *nest.Bundle) {
	if e.cut(p, bundle) {
		return
	}
	e.answers.tooBig(p.Bytes(), int(bundle.MTU), p.Flow.Dst)
	e.counts.drop(packet.TooBig)
}

// cut fragments p where it may be, and reports whether its fragments are on the
// way. When a batch needs more fragments than there are, what has gathered goes
// first.
func (e *egress) cut(p *packet.Packet, bundle *nest.Bundle) bool {
	if !mayFragment(p, bundle) {
		return false
	}
	n, ok := fragment(p, int(bundle.MTU), e.spare[e.used:])
	if !ok && e.used > 0 {
		_ = e.flush() // closed: the next one says so, too
		e.run.bundle = bundle
		n, ok = fragment(p, int(bundle.MTU), e.spare)
	}
	if !ok {
		return false
	}
	e.counts.extra.Add(uint64(n))
	e.add(p, bundle)
	for _, f := range e.spare[e.used : e.used+n] {
		e.add(f, bundle)
	}
	e.used += n
	return true
}

// add puts a fragment on the way.
func (e *egress) add(p *packet.Packet, bundle *nest.Bundle) {
	translateSource(p, bundle)
	e.out = append(e.out, p)
}

// sealRun seals what has gathered for one bundle.
func (e *egress) sealRun() {
	b := e.out[e.run.from:]
	e.run.from = len(e.out)
	if len(b) == 0 {
		return
	}
	if !e.turns.try(e.run.bundle) {
		before := len(e.out) - len(b)
		_ = e.transmit(e.out[:before]) // closed: the next one says so, too
		e.out = append(e.out[:0], b...)
		b, e.run.from = e.out, len(e.out)
		e.turns.take(e.run.bundle)
	}
	e.sealer.seal(b, e.run.bundle)
	if e.run.bundle.Used != nil {
		e.run.bundle.Used.Add(uint64(len(b)))
	}
}

// transmit sends what is sealed. Then it is another worker's turn.
func (e *egress) transmit(b packet.Batch) error {
	defer e.turns.end()
	e.sealer.finish()
	return e.d.transmit(e.net, b, &e.counts)
}

// flush seals the last run, sends everything, counts it, and writes the answers.
func (e *egress) flush() error {
	e.sealRun()
	err := e.transmit(e.out)
	e.out, e.run.from, e.run.bundle, e.used = e.out[:0], 0, nil, 0
	e.tell()
	e.count()
	if a := e.answers.take(); len(a) > 0 && err == nil {
		n, werr := e.tun.WriteBatch(a)
		e.counts.answers.Add(uint64(n))
		err = werr
	}
	return err
}

// count adds what was counted since the last time.
func (e *egress) count() {
	e.counts.in.Add(e.in)
	e.counts.bytes.Add(e.bytes)
	e.counts.hits.Add(e.hits)
	e.counts.misses.Add(e.misses)
	e.in, e.bytes, e.hits, e.misses = 0, 0, 0, 0
}

// transmit gives sealed packets to the underlay and counts what became of each.
func (d *Dataplane) transmit(net underlay.Queue, b packet.Batch, c *counts) error {
	if len(b) == 0 {
		return nil
	}
	_, err := net.WriteBatch(b)
	if err != nil {
		refuse(b, packet.Shutdown)
	}
	c.out.Add(c.dropped(b))
	for _, p := range b {
		if p.Drop == packet.TooBig {
			d.paths.ask(d, p.Local().Addr(), p.Remote().Addr())
		}
	}
	return err
}
