package sa

import (
	"sync/atomic"
	"time"
)

// A Lifetime is what an SA may live. Zero means no limit. The soft limits ask
// for a rekey, the hard ones end the SA (RFC 4301, Section 4.4.2.1).
type Lifetime struct {
	SoftTime, HardTime       time.Duration
	SoftBytes, HardBytes     uint64
	SoftPackets, HardPackets uint64
}

// Within returns l with no more than so many bytes, and a soft limit that leaves a
// quarter of them for the rekey. Zero bytes mean no limit.
func (l Lifetime) Within(bytes uint64) Lifetime {
	if bytes != 0 {
		l.SoftBytes = lower(l.SoftBytes, bytes/4*3)
		l.HardBytes = lower(l.HardBytes, bytes)
	}
	return l
}

// lower returns the lower one of two limits, of which a may be none.
func lower(a, b uint64) uint64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// A load is what an SA has carried so far.
type load struct{ bytes, packets uint64 }

func (l Lifetime) soft(age time.Duration, n load) bool {
	return reached(age, l.SoftTime) || reached(n.bytes, l.SoftBytes) || reached(n.packets, l.SoftPackets)
}

func (l Lifetime) hard(age time.Duration, n load) bool {
	return reached(age, l.HardTime) || reached(n.bytes, l.HardBytes) || reached(n.packets, l.HardPackets)
}

// reached reports whether v is at limit, where there is one.
func reached[T time.Duration | uint64](v, limit T) bool { return limit != 0 && v >= limit }

// Counters counts what an SA carried. They may be read at any time, one by one.
type Counters struct{ Packets, Bytes atomic.Uint64 }

func (c *Counters) count(bytes, packets int) {
	c.Bytes.Add(uint64(bytes))
	c.Packets.Add(uint64(packets))
}

func (c *Counters) load() load {
	return load{bytes: c.Bytes.Load(), packets: c.Packets.Load()}
}
