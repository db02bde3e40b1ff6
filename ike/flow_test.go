package ike

import (
	"time"

	"warren/esp"
)

// A flow is traffic all the time: it holds each end to receiving what the other
// sends, at once and four seconds later.
type flow struct {
	tell bool                           // the engine of the receiver is told
	used map[*end]map[esp.SPI]time.Time // by the receiver: when a pair was last sent on
}

const packetLife = 4 * time.Second

// arrive tells the receivers what they got.
func (w *flow) arrive(p *pair) {
	for _, n := range []*end{p.i, p.r} {
		to := p.other(n)
		for _, spi := range n.out {
			if c, ok := to.in[n.in[spi].SPIOut]; ok && w.tell {
				to.e.ChildUsed(to.owner(c.SPIIn), c.SPIIn, p.now)
			}
		}
	}
}

// owner is the session of a pair.
func (n *end) owner(spi esp.SPI) SessionID {
	for _, s := range n.e.order {
		if s.byIn(spi) != nil {
			return s.id
		}
	}
	return 0
}

// look is called after every step.
func (w *flow) look(p *pair) {
	if w.used == nil {
		w.used = map[*end]map[esp.SPI]time.Time{p.i: {}, p.r: {}}
	}
	for _, n := range []*end{p.i, p.r} {
		to := p.other(n)
		for layer, spi := range n.out {
			c := n.in[spi]
			if o, ok := to.in[c.SPIOut]; !ok || o.SPIOut != c.SPIIn {
				p.t.Errorf("%s sends layer %d on %v, which the other end does not have", n.name, layer, c.SPIOut)
			}
			w.used[to][c.SPIOut] = p.now
		}
		if len(n.out) == 0 {
			p.t.Errorf("%s has nothing to send on", n.name)
		}
		for spi, at := range w.used[n] {
			if _, ok := n.in[spi]; !ok && p.now.Sub(at) < packetLife {
				p.t.Errorf("%s does not receive on %v any more, used %v ago", n.name, spi, p.now.Sub(at))
				delete(w.used[n], spi)
			}
		}
	}
}

// carried lists the pairs that n has sent on, by the other end's inbound SPI.
func (w *flow) carried(p *pair, n *end) int { return len(w.used[p.other(n)]) }
