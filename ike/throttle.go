package ike

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// A bucket limits what happens in a second.
type bucket struct {
	left  int
	since time.Time
}

func (b *bucket) take(now time.Time, rate int) bool {
	if d := now.Sub(b.since); b.since.IsZero() || d < 0 || d >= time.Second {
		b.since, b.left = now, rate
	}
	if b.left <= 0 {
		return false
	}
	b.left--
	return true
}

// A throttle limits what each source may cause in a second, in a table that
// never grows: sources share the places of the table by a hash that nobody
// outside knows. So a flood from many addresses may cost a stranger an answer
// now and then, which is asked for again, and costs this node no memory.
type throttle struct {
	seed   maphash.Seed
	rate   int
	places [4096]bucket
}

func newThrottle(rate int) *throttle { return &throttle{seed: maphash.MakeSeed(), rate: rate} }

func (t *throttle) take(from netip.Prefix, now time.Time) bool {
	return t.of(from).take(now, t.rate)
}

// spent reports whether from could not take any more now.
func (t *throttle) spent(from netip.Prefix, now time.Time) bool {
	b := *t.of(from)
	return !b.take(now, t.rate)
}

func (t *throttle) of(from netip.Prefix) *bucket {
	return &t.places[maphash.Comparable(t.seed, from)%uint64(len(t.places))]
}
