package dataplane

import (
	"math/bits"
	"math/rand/v2"

	"warren/packet"
)

// ways is how many flows share a bucket of the cache.
const ways = 4

// A flowCache remembers what was decided about each flow. It belongs to one
// worker. It starts small, doubles while it is more than half full, and never
// holds more than its limit; a full bucket loses one of its entries. Decisions of
// an older view count as absent.
type flowCache[T any] struct {
	entries []flowEntry[T] // buckets of ways entries
	limit   int
	gen     uint64 // of the newest entry
	used    int    // entries of that generation
	victim  int    // the way that is next to lose its entry
	seed    [4]uint64
}

// A flowEntry is a cache line where T takes 16 bytes.
type flowEntry[T any] struct {
	key      flowKey
	gen      uint64 // zero: empty
	decision T
}

func newFlowCache[T any](limit int) *flowCache[T] {
	limit = max(limit, ways)
	limit = 1 << (bits.Len(uint(limit)) - 1) // the next power of two below
	return &flowCache[T]{
		entries: make([]flowEntry[T], min(limit, 1024)),
		limit:   limit,
		seed:    [4]uint64{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()},
	}
}

// get returns the decision for f made under generation gen.
func (c *flowCache[T]) get(f *packet.Flow, gen uint64) (d T, ok bool) {
	var k flowKey
	k.set(f)
	home := int(k.hash(&c.seed)) & (len(c.entries) - 1)
	for way := range ways {
		if e := &c.entries[home^way]; e.gen == gen && e.key.equal(&k) {
			return e.decision, true
		}
	}
	return d, false
}

// put remembers a decision about a flow that has none.
func (c *flowCache[T]) put(f *packet.Flow, gen uint64, d T) {
	if gen != c.gen {
		c.gen, c.used = gen, 0
	}
	if c.used > len(c.entries)/2 && len(c.entries) < c.limit {
		c.grow()
	}
	e := flowEntry[T]{gen: gen, decision: d}
	e.key.set(f)
	c.insert(&e)
}

// insert gives e the place in its bucket where get looks first, or the next that
// is of no use any more, or that of another.
func (c *flowCache[T]) insert(e *flowEntry[T]) {
	home := int(e.key.hash(&c.seed)) & (len(c.entries) - 1)
	for way := range ways {
		if old := &c.entries[home^way]; old.gen != c.gen {
			*old = *e
			c.used++
			return
		}
	}
	c.entries[home^c.victim] = *e
	c.victim = (c.victim + 1) % ways
}

// grow doubles the cache and keeps what is current.
func (c *flowCache[T]) grow() {
	old := c.entries
	c.entries, c.used = make([]flowEntry[T], 2*len(old)), 0
	for i := range old {
		if old[i].gen == c.gen {
			c.insert(&old[i])
		}
	}
}
