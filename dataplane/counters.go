package dataplane

import (
	"sync/atomic"

	"warren/packet"
)

// Counters say what became of every packet. At rest, and for each direction,
// what went in came out or was dropped under one reason:
//
//	FromTUN + Fragments + Control = ToNetwork + Held + sum of Out
//	FromNetwork = ToTUN + ToControl + sum of In
type Counters struct {
	FromTUN   uint64 // packets read from the TUN
	Fragments uint64 // made of packets that were too big, beyond the first of each
	Control   uint64 // IKE messages given to SendIKE
	ToNetwork uint64 // packets that the underlay took
	Held      uint64 // waiting now

	FromNetwork uint64 // datagrams read from the underlay
	ToTUN       uint64 // packets that the TUN took
	ToControl   uint64 // IKE messages and path MTU reports given to the Handler

	Answers   uint64 // ICMP errors written to the TUN, in no sum above
	BytesIn   uint64 // that the TUN took
	BytesOut  uint64 // read from the TUN
	CacheHits uint64 // flow cache
	CacheMiss uint64

	Out, In [packet.NumDrops]uint64 // drops by reason
}

// Balanced reports whether the sums above hold.
func (c *Counters) Balanced() bool {
	return c.FromTUN+c.Fragments+c.Control == c.ToNetwork+c.Held+sum(&c.Out) &&
		c.FromNetwork == c.ToTUN+c.ToControl+sum(&c.In)
}

func sum(drops *[packet.NumDrops]uint64) (n uint64) {
	for _, d := range drops {
		n += d
	}
	return n
}

// counts are the counters of one worker. It alone adds; anyone reads.
type counts struct {
	in, extra, out, control, bytes atomic.Uint64
	answers, hits, misses          atomic.Uint64
	drops                          [packet.NumDrops]atomic.Uint64
	_                              [64]byte // the next worker's are on another cache line
}

func (c *counts) drop(r packet.Drop) { c.drops[r].Add(1) }

// dropped counts the packets of b that are not live, and returns how many are.
func (c *counts) dropped(b packet.Batch) (live uint64) {
	for _, p := range b {
		if p.Drop == packet.Live {
			live++
			continue
		}
		c.drop(p.Drop)
	}
	return live
}

func (c *counts) addDrops(to *[packet.NumDrops]uint64) {
	for i := range c.drops {
		to[i] += c.drops[i].Load()
	}
}

// Counters sums the workers' counters.
func (d *Dataplane) Counters() Counters {
	var c Counters
	for _, w := range d.ingress {
		n := &w.counts
		c.FromNetwork += n.in.Load()
		c.ToTUN += n.out.Load()
		c.ToControl += n.control.Load()
		c.BytesIn += n.bytes.Load()
		n.addDrops(&c.In)
	}
	c.Control = d.control.counts.in.Load()
	all := []*counts{d.control.counts}
	for _, w := range d.egress {
		n := &w.counts
		c.FromTUN += n.in.Load()
		c.BytesOut += n.bytes.Load()
		all = append(all, n)
	}
	for _, n := range all {
		c.Fragments += n.extra.Load()
		c.ToNetwork += n.out.Load()
		c.Answers += n.answers.Load()
		c.CacheHits += n.hits.Load()
		c.CacheMiss += n.misses.Load()
		n.addDrops(&c.Out)
	}
	c.Held = d.hold.count(&c.Out)
	return c
}

// Drops returns the drops of both directions by reason, every reason included.
func (d *Dataplane) Drops() map[string]uint64 {
	c := d.Counters()
	drops := make(map[string]uint64, packet.NumDrops)
	for r := packet.Live + 1; r < packet.NumDrops; r++ {
		drops[r.String()] = c.In[r] + c.Out[r]
	}
	return drops
}
