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

	// The link counted last, and what it carried since: added once per run.
	link           *nest.Link
	packets, bytes uint64

	// The packets on their way through the layers, and what goes with each.
	n       int
	at      [openLen]*packet.Packet
	flights [openLen]flight
	seqs    [openLen]uint64
	next    [openLen]uint8
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
	in    *sa.Inbound
	info  *nest.LayerInfo // of in; nil where the view has none
}

// An expectation is the layer that the view expects a flow's packets to come out of
// that came out of from.
type expectation struct{ from, want sa.Layer }

func newOpener(d *Dataplane) opener {
	return opener{d: d, cache: newFlowCache[expectation](min(d.opt.Limits.Flows, maxExpected))}
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
	}
	clear(o.flights[:len(b)]) // an SA that goes is not kept here, nor its key
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
	var last *sa.Inbound
	for i, p := range o.take() {
		f := &o.flights[i]
		if f.in = o.lookup(p, f.via, last); f.in == nil {
			o.fates[f.place] = refused
			continue
		}
		o.keep(p, f)
		last = f.in
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
	for i := range o.n {
		f := &o.flights[i]
		if o.goesOn(i) {
			f.info = o.flights[i-1].info
			continue
		}
		f.info = v.Layer(f.in.Layer())
		o.touched += f.in.TouchSelf()
	}
	for i := range o.n {
		if o.goesOn(i) {
			continue
		}
		h, ok := esp.ParseHeader(o.at[i].Bytes())
		if !ok {
			continue
		}
		f := &o.flights[i]
		o.touched += f.in.Touch(h.SeqLo())
		if f.info != nil {
			o.touched += f.info.Link.PacketsIn.Load()
		}
	}
}

// goesOn reports whether the i-th packet is of the same SA as the one before it.
func (o *opener) goesOn(i int) bool { return i > 0 && o.flights[i].in == o.flights[i-1].in }

// decrypt is one ESP decapsulation of all packets (RFC 4303, Section 3.4).
func (o *opener) decrypt() {
	for i, j := 0, 0; i < o.n; i = j {
		j = o.runEnd(i)
		o.flights[i].in.Begin(&o.burst, o.at[i:j], o.seqs[i:j])
	}
	o.burst.Run()
	for i, j := 0, 0; i < o.n; i = j {
		j = o.runEnd(i)
		o.flights[i].in.Finish(o.at[i:j], o.seqs[i:j], o.next[i:j])
	}
}

// runEnd is where the run of packets of one SA ends that begins at i.
func (o *opener) runEnd(i int) (j int) {
	for j = i + 1; j < o.n && o.flights[j].in == o.flights[i].in; j++ {
	}
	return j
}

// inspect looks at what came out of the packets, and keeps those that are to go
// round again.
func (o *opener) inspect(v *published, round int) {
	for i, p := range o.take() {
		f := &o.flights[i]
		o.unwrap(v, p, f, o.next[i])
		switch {
		case p.Drop != packet.Live:
		case f.info == nil: // installed, but not in the view yet, or not any more
			p.Drop = packet.ChainDown
		case round >= o.d.opt.Limits.Depth && f.in.Mode() == esp.Tunnel:
			p.Drop = packet.Depth
		}
		if p.Drop != packet.Live {
			o.fates[f.place] = refused
			continue
		}
		o.counted(f.info.Link, p)
		fate, more := o.inside(v, p, f.info, f)
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
}

// unwrap makes an IP packet of what was in the ESP packet, with Flow and Info
// set, and checks it against the selectors of the SA (RFC 4301, Section 5.2).
func (o *opener) unwrap(v *published, p *packet.Packet, f *flight, next uint8) {
	if p.Drop != packet.Live {
		return
	}
	if f.in.Mode() == esp.Transport {
		restore(p, f, next)
	} else {
		uncover(p, next)
	}
	if p.Drop == packet.Live && !o.judge(v, p, f).allowed {
		p.Drop = packet.Selector
	}
}

// counted notes that the packet came in on link.
func (o *opener) counted(link *nest.Link, p *packet.Packet) {
	if link != o.link {
		o.count()
		o.link = link
	}
	o.packets++
	o.bytes += uint64(p.Len())
}

// count adds what was noted.
func (o *opener) count() {
	if o.link != nil && o.packets > 0 {
		o.link.PacketsIn.Add(o.packets)
		o.link.BytesIn.Add(o.bytes)
	}
	o.link, o.packets, o.bytes = nil, 0, 0
}
