package dataplane

import (
	"testing"
	"unsafe"

	"warren/packet"
	"warren/underlay"
)

// gapNet looks for free bytes around what it is given.
type gapNet struct {
	underlay.Queue
	t    *testing.T
	seen int
}

func (g *gapNet) WriteBatch(b packet.Batch) (int, error) {
	for i, p := range b {
		last := i+1 == len(b) || b[i+1].Len() != b[0].Len()
		if p.Drop != packet.Live || p.Headroom() != 0 || p.Tailroom() != 0 && !last {
			g.t.Errorf("packet %d of %d: %v, %d bytes free before it and %d behind", i, len(b), p.Drop, p.Headroom(), p.Tailroom())
		}
		if i > 0 && uintptr(unsafe.Pointer(&b[i-1].Bytes()[0]))+uintptr(b[i-1].Len()) != uintptr(unsafe.Pointer(&p.Bytes()[0])) {
			g.t.Errorf("there is a gap before packet %d of %d", i, len(b))
		}
		g.seen++
	}
	return len(b), nil
}

// TestNoGaps has the segments of super-packets of all lengths leave one right
// behind the other.
func TestNoGaps(t *testing.T) {
	for name, specs := range nests {
		if specs[len(specs)-1].mode != 0 {
			continue // transport mode changes the order of headers
		}
		t.Run(name, func(t *testing.T) { noGaps(t, newWorkers(t, 1, specs...)) })
		t.Run(name+", suites mixed", func(t *testing.T) { noGaps(t, newMixed(t, 1, mixed[:len(specs)], specs...)) })
	}
}

func noGaps(t *testing.T, p *pair) {
	g := &gapNet{t: t}
	p.a.dp.egress[0].net = g
	for segment := 1; segment < 40; segment++ {
		b, _ := superPacket(t, p, 9, segment)
		q := packet.New(len(b))
		q.Set(b)
		q.Segment = int32(segment)
		_ = p.a.dp.egress[0].batch(packet.Batch{q})
	}
	if g.seen != 39*9 {
		t.Errorf("%d packets, want %d; drops %v", g.seen, 39*9, p.a.dp.Drops())
	}
}
