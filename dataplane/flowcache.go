package dataplane

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"

	"warren/nest"
	"warren/packet"
)

// ways is how many flows share a bucket of the cache.
const ways = 4

// A flowCache remembers decisions per flow. It belongs to one worker. It starts
// small, doubles while that pays, and never holds more than its limit; a full
// bucket loses its oldest entry. Decisions of an older view count as absent.
type flowCache struct {
	entries []flowEntry // buckets of ways entries
	limit   int
	used    int // entries filled since the last change of size
	seed    [2]uint64
}

type flowEntry struct {
	flow     packet.Flow
	gen      uint64 // zero: empty
	decision nest.Decision
}

func newFlowCache(limit int) *flowCache {
	limit = max(limit, ways)
	limit = 1 << (bits.Len(uint(limit)) - 1) // the next power of two below
	return &flowCache{
		entries: make([]flowEntry, min(limit, 1024)),
		limit:   limit,
		seed:    [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1},
	}
}

// get returns the decision for f made under generation gen.
func (c *flowCache) get(f *packet.Flow, gen uint64) (nest.Decision, bool) {
	b := c.bucket(f)
	for i := range b {
		if e := &b[i]; e.gen == gen && e.flow == *f {
			return e.decision, true
		}
	}
	return nest.Decision{}, false
}

// put remembers a decision. The newest entry of a bucket comes first.
func (c *flowCache) put(f *packet.Flow, gen uint64, d nest.Decision) {
	if c.used > len(c.entries)/2 && len(c.entries) < c.limit {
		c.grow(gen)
	}
	b := c.bucket(f)
	copy(b[1:], b[:ways-1])
	b[0] = flowEntry{*f, gen, d}
	c.used++
}

// grow doubles the cache and keeps what is current.
func (c *flowCache) grow(gen uint64) {
	old := c.entries
	c.entries, c.used = make([]flowEntry, 2*len(old)), 0
	for i := range old {
		if e := &old[i]; e.gen == gen {
			b := c.bucket(&e.flow)
			copy(b[1:], b[:ways-1])
			b[0] = *e
			c.used++
		}
	}
}

func (c *flowCache) bucket(f *packet.Flow) []flowEntry {
	at := int(c.hash(f)) & (len(c.entries) - 1) &^ (ways - 1)
	return c.entries[at : at+ways : at+ways]
}

// hash mixes the flow with a seed that peers do not know, so that they cannot
// aim at one bucket.
func (c *flowCache) hash(f *packet.Flow) uint64 {
	h := c.mixAddr(c.seed[0], f.Src)
	h = c.mixAddr(h, f.Dst)
	rest := uint64(f.Proto)<<32 | uint64(f.SrcPort)<<16 | uint64(f.DstPort)
	if f.Frag {
		rest |= 1 << 40
	}
	h = c.mix(h, rest)
	return h ^ h>>32
}

func (c *flowCache) mixAddr(h uint64, a netip.Addr) uint64 {
	b := a.As16()
	h = c.mix(h, binary.LittleEndian.Uint64(b[:8]))
	return c.mix(h, binary.LittleEndian.Uint64(b[8:]))
}

func (c *flowCache) mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v^0x9e3779b97f4a7c15, c.seed[1])
	return hi ^ lo ^ v
}
