package dataplane

import (
	"fmt"
	"testing"

	"warren/nest"
	"warren/packet"
)

// TestFlowCache holds the cache to a map, through growth and generations.
func TestFlowCache(t *testing.T) {
	c := newFlowCache[nest.Decision](4096)
	flow := func(i int) packet.Flow {
		return packet.Flow{Src: addr(1, 1, false), Dst: addr(2, 2, true), SrcPort: uint16(i)}
	}
	for i := range 3000 {
		f := flow(i)
		c.put(&f, 1, nest.Decision{Key: nest.Key(fmt.Sprint(i))})
	}
	hits := 0
	for i := range 3000 {
		f := flow(i)
		if d, ok := c.get(&f, 1); ok {
			hits++
			if d.Key != nest.Key(fmt.Sprint(i)) {
				t.Fatalf("flow %d has the decision of %v", i, d.Key)
			}
		}
		if _, ok := c.get(&f, 2); ok {
			t.Fatalf("flow %d outlives its generation", i)
		}
	}
	if hits < 2500 || len(c.entries) > 4096 {
		t.Errorf("%d of 3000 flows found in %d entries", hits, len(c.entries))
	}
	for i := range 60000 {
		f := flow(i)
		c.put(&f, 3, nest.Decision{})
	}
	if len(c.entries) > 4096 {
		t.Errorf("cache grew to %d entries past its limit", len(c.entries))
	}
}

// TestFlowCacheGenerations: the same few flows, decided again for every view,
// are no reason to grow, nor are they when they come back.
func TestFlowCacheGenerations(t *testing.T) {
	c := newFlowCache[nest.Decision](1 << 16)
	before := len(c.entries)
	for gen := uint64(1); gen < 200; gen++ {
		for i := range 100 {
			f := packet.Flow{Src: addr(1, 1, false), Dst: addr(2, 2, false), SrcPort: uint16(i)}
			c.put(&f, gen, nest.Decision{})
		}
	}
	if len(c.entries) != before {
		t.Errorf("100 flows make the cache grow from %d to %d entries", before, len(c.entries))
	}
}
