package dataplane

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"warren/packet"
)

// ways is how many flows share a bucket of the cache.
const ways = 4

// A flowCache remembers what was decided about each flow. It belongs to one
// worker. It starts small, doubles while it is more than half full, and never
// holds more than its limit; a full bucket loses its oldest entry. Decisions of
// an older view count as absent.
type flowCache[T any] struct {
	entries []flowEntry[T] // buckets of ways entries
	limit   int
	gen     uint64 // of the newest entry
	used    int    // entries of that generation
	seed    [4]uint64
}

type flowEntry[T any] struct {
	flow     packet.Flow
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
	b := c.bucket(f)
	for i := range b {
		if e := &b[i]; e.gen == gen && e.flow == *f {
			return e.decision, true
		}
	}
	return d, false
}

// put remembers a decision. The newest entry of a bucket comes first.
func (c *flowCache[T]) put(f *packet.Flow, gen uint64, d T) {
	if gen != c.gen {
		c.gen, c.used = gen, 0
	}
	if c.used > len(c.entries)/2 && len(c.entries) < c.limit {
		c.grow()
	}
	c.insert(flowEntry[T]{*f, gen, d})
}

// insert makes e the first of its bucket. What falls out makes room for it,
// unless that was of no use any more.
func (c *flowCache[T]) insert(e flowEntry[T]) {
	b := c.bucket(&e.flow)
	if b[ways-1].gen != c.gen {
		c.used++
	}
	copy(b[1:], b[:ways-1])
	b[0] = e
}

// grow doubles the cache and keeps what is current.
func (c *flowCache[T]) grow() {
	old := c.entries
	c.entries, c.used = make([]flowEntry[T], 2*len(old)), 0
	for i := range old {
		if old[i].gen == c.gen {
			c.insert(old[i])
		}
	}
}

func (c *flowCache[T]) bucket(f *packet.Flow) []flowEntry[T] {
	at := int(c.hash(f)) & (len(c.entries) - 1) &^ (ways - 1)
	return c.entries[at : at+ways : at+ways]
}

// hash mixes the flow with a seed that peers do not know, so that they cannot
// aim at one bucket. The two addresses do not wait for each other.
func (c *flowCache[T]) hash(f *packet.Flow) uint64 {
	rest := uint64(f.Proto)<<32 | uint64(f.SrcPort)<<16 | uint64(f.DstPort)
	if f.Frag {
		rest |= 1 << 40
	}
	s := &c.seed
	var h uint64
	if f.Src.Is4() && f.Dst.Is4() { // through As16 it takes twice as long
		src, dst := f.Src.As4(), f.Dst.As4()
		h = fold(uint64(binary.LittleEndian.Uint32(src[:]))^s[0], uint64(binary.LittleEndian.Uint32(dst[:]))^s[1])
	} else {
		src, dst := f.Src.As16(), f.Dst.As16()
		h = fold(half(src[:8])^s[0], half(src[8:])^s[1]) ^ fold(half(dst[:8])^s[2], half(dst[8:])^s[3])
	}
	// One step of wyhash does not spread neighbouring ports under every seed.
	return fold(fold(h^s[0], rest^s[2])^s[1], 0xd6e8feb86659fd93)
}

func half(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
