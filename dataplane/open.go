package dataplane

import (
	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/sa"
)

// fate is where a received packet goes.
type fate uint8

const (
	refused   fate = iota // dropped, for its Drop
	toTUN                 // delivered
	toControl             // consumed by the Handler
)

// An opener takes packets out of their layers, a burst of them together. It
// belongs to one worker.
type opener struct {
	d     *Dataplane
	cache *flowCache[expectation]

	// The packets on their way through the layers, and what goes with each.
	n       int
	at      [openLen]*packet.Packet
	flights [openLen]flight
	seqs    [openLen]uint64
	next    [openLen]uint8
	runs    []openRun
	burst   esp.OpenBurst
	touched uint64
	fates   [openLen]fate // of all packets, by their place
	last    verdict
}

const (
	openLen = esp.BurstLen // packets opened together

	// maxExpected bounds an opener's cache: what is in it is the far side's choice.
	maxExpected = 1 << 16

	networkTTL = 64 // for datagrams whose own was not seen
)

// A flight is what goes with an ESP packet on its way through the layers. The
// datagram it is in, at first on the network, then out of layer after layer, came
// with the packet's TOS, and between whom endsOf says.
type flight struct {
	place int      // in the batch
	via   sa.Layer // the layer that the datagram came out of
	ttl   uint8    // of the datagram
}

// An openRun is packets behind each other, at[from:to], that are of one SA.
type openRun struct {
	from, to int
	in       *sa.Inbound
	info     *nest.LayerInfo // of in; nil where the view has none
}

// An expectation is the layer that the view expects a flow's packets to come out of
// that came out of from.
type expectation struct{ from, want sa.Layer }

func newOpener(d *Dataplane) opener {
	return opener{d: d, cache: newFlowCache[expectation](min(d.opt.Limits.Flows, maxExpected)), runs: make([]openRun, 0, openLen)}
}

// open takes the packets of b, openLen at most, out of their layers, outermost
// first, as long as what comes out is for this node's next layer, whoever opened
// it. Each round checks the layer binding, the ESP packet itself and the selectors, in this
// order; what is delivered in the end must besides have come the way that the
// rules want for it. Nothing changes for a packet that does not pass. The fates
// are valid until the next call.
func (o *opener) open(v *published, b packet.Batch) []fate {
	o.begin(b)
	for round := 0; o.n > 0; round++ {
		o.find()
		o.touch(v)
		o.decrypt()
		o.inspect(v, round)
		clear(o.runs) // an SA that goes is not kept here, nor its key
	}
	o.last = verdict{}
	return o.fates[:len(b)]
}

// begin sorts the packets from the network.
func (o *opener) begin(b packet.Batch) {
	for i, p := range b {
		switch {
		case p.Drop != packet.Live:
			o.fates[i] = refused
		case p.Kind == packet.KindIKE:
			o.ike(p, sa.Network, p.Local().Port() == o.d.ports.NATT)
			o.fates[i] = toControl
		default:
			f := &o.flights[o.n]
			f.place, f.via, f.ttl = i, sa.Network, networkTTL
			o.keep(p, f)
		}
	}
}

// take returns the packets on their way. Those that are to stay are kept, in
// order, while the caller goes through them.
func (o *opener) take() []*packet.Packet {
	all := o.at[:o.n]
	o.n = 0
	return all
}

func (o *opener) keep(p *packet.Packet, f *flight) {
	o.at[o.n] = p
	if to := &o.flights[o.n]; to != f {
		*to = *f
	}
	o.n++
}

// find finds the SA of each packet.
func (o *opener) find() {
	o.runs = o.runs[:0]
	var last *sa.Inbound
	for i, p := range o.take() {
		f := &o.flights[i]
		in := o.lookup(p, f.via, last)
		if in == nil {
			o.fates[f.place] = refused
			continue
		}
		if in != last {
			o.runs = append(o.runs, openRun{from: o.n, in: in})
			last = in
		}
		o.keep(p, f)
		o.runs[len(o.runs)-1].to = o.n
	}
}

// lookup returns the SA that p names and may have come by. Runs are usual, so
// last is tried first. It marks p and returns nil where there is none.
func (o *opener) lookup(p *packet.Packet, via sa.Layer, last *sa.Inbound) *sa.Inbound {
	h, ok := esp.ParseHeader(p.Bytes())
	if !ok {
		p.Drop = packet.ReservedSPI
		if h == nil {
			p.Drop = packet.Runt
		}
		return nil
	}
	in := last
	if in == nil || in.SPI() != h.SPI() {
		in = o.d.opt.SAD.Lookup(h.SPI())
	}
	switch {
	case in == nil:
		p.Drop = packet.NoSA
	case in.Via() != via:
		p.Drop = packet.WrongLayer
		in = nil
	}
	return in
}

// touch brings what the packets will need into the processor's cache: for all of
// them before anything is done with the first, so that the processor waits for
// the memory of many SAs at once. What is found only by what else is touched comes
// second.
func (o *opener) touch(v *published) {
	for i := range o.runs {
		r := &o.runs[i]
		r.info = v.Layer(r.in.Layer())
		o.touched += r.in.TouchSelf()
	}
	for i := range o.runs {
		r := &o.runs[i]
		if h, ok := esp.ParseHeader(o.at[r.from].Bytes()); ok {
			o.touched += r.in.Touch(h.SeqLo())
		}
		if r.info != nil {
			o.touched += r.info.Link.PacketsIn.Load()
		}
	}
}

// decrypt is one ESP decapsulation of all packets (RFC 4303, Section 3.4).
func (o *opener) decrypt() {
	for i := range o.runs {
		r := &o.runs[i]
		r.in.Begin(&o.burst, o.at[r.from:r.to], o.seqs[r.from:r.to])
	}
	o.burst.Run()
	for i := range o.runs {
		r := &o.runs[i]
		r.in.Finish(o.at[r.from:r.to], o.seqs[r.from:r.to], o.next[r.from:r.to])
	}
}

// inspect looks at what came out of the packets, and keeps those that are to go
// round again.
func (o *opener) inspect(v *published, round int) {
	o.n = 0
	for i := range o.runs {
		o.inspectRun(v, &o.runs[i], round)
	}
}

func (o *opener) inspectRun(v *published, r *openRun, round int) {
	var packets, bytes uint64
	for i := r.from; i < r.to; i++ {
		p, f := o.at[i], &o.flights[i]
		o.unwrap(v, p, f, r, o.next[i])
		switch {
		case p.Drop != packet.Live:
		case r.info == nil: // installed, but not in the view yet, or not any more
			p.Drop = packet.ChainDown
		case round >= o.d.opt.Limits.Depth && r.in.Mode() == esp.Tunnel:
			p.Drop = packet.Depth
		}
		if p.Drop != packet.Live {
			o.fates[f.place] = refused
			continue
		}
		packets++
		bytes += uint64(p.Len())
		fate, more := o.inside(v, p, r.info, f)
		switch {
		case !more:
			o.fates[f.place] = fate
		case round < o.d.opt.Limits.Depth: // one more: a transport association, the innermost
			o.keep(p, f)
		default:
			p.Drop = packet.Depth
			o.fates[f.place] = refused
		}
	}
	if packets > 0 {
		r.info.Link.PacketsIn.Add(packets)
		r.info.Link.BytesIn.Add(bytes)
	}
}

// unwrap makes an IP packet of what was in the ESP packet, with Flow and Info
// set, and checks it against the selectors of the SA (RFC 4301, Section 5.2).
func (o *opener) unwrap(v *published, p *packet.Packet, f *flight, r *openRun, next uint8) {
	if p.Drop != packet.Live {
		return
	}
	same := false
	if r.in.Mode() == esp.Transport {
		restore(p, f, next)
	} else {
		same = uncover(p, next, &o.last.like)
	}
	if p.Drop != packet.Live {
		return
	}
	if !same || o.last.in != r.in {
		o.judge(v, p, r)
	}
	if !o.last.allowed {
		p.Drop = packet.Selector
	}
}
