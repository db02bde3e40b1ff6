package dataplane

import (
	"bytes"
	"sync"
	"time"

	"warren/nest"
	"warren/packet"
)

// A holdQueue keeps the first packets of chains that are not up yet: for each
// chain so many packets and bytes, the oldest dropped first, none for longer
// than its time. Its own drops are counted here.
type holdQueue struct {
	limits Limits

	mu     sync.Mutex
	chains map[nest.Key]*held
	total  uint64
	drops  [packet.NumDrops]uint64
}

// held are the packets of one chain, oldest first.
type held struct {
	packets []heldPacket
	bytes   int
}

type heldPacket struct {
	data  []byte // a copy: the worker needs its buffer
	flow  packet.Flow
	until time.Time
}

func newHoldQueue(l Limits) *holdQueue {
	return &holdQueue{limits: l, chains: make(map[nest.Key]*held)}
}

// add holds a copy of p under key.
func (q *holdQueue) add(key nest.Key, p *packet.Packet, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.chains[key]
	if h == nil && len(q.chains) >= q.limits.QueueChains || p.Len() > q.limits.QueueBytes {
		q.drops[packet.QueueFull]++
		return
	}
	if h == nil {
		h = new(held)
		q.chains[key] = h
	}
	for len(h.packets) >= q.limits.QueuePackets || h.bytes+p.Len() > q.limits.QueueBytes {
		q.dropOldest(h, packet.QueueFull)
	}
	h.packets = append(h.packets, heldPacket{bytes.Clone(p.Bytes()), p.Flow, now.Add(q.limits.QueueTTL)})
	h.bytes += p.Len()
	q.total++
}

func (q *holdQueue) dropOldest(h *held, why packet.Drop) {
	h.bytes -= len(h.packets[0].data)
	h.packets[0] = heldPacket{}
	h.packets = h.packets[1:]
	q.total--
	q.drops[why]++
}

// take takes out what is held under key, oldest first, without what is too old.
// The caller accounts for the packets from now on.
func (q *holdQueue) take(key nest.Key, now time.Time) []heldPacket {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.chains[key]
	if h == nil {
		return nil
	}
	delete(q.chains, key)
	q.dropExpired(h, now)
	q.total -= uint64(len(h.packets))
	return h.packets
}

// expire drops what is too old.
func (q *holdQueue) expire(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, h := range q.chains {
		q.dropExpired(h, now)
		if len(h.packets) == 0 {
			delete(q.chains, key)
		}
	}
}

func (q *holdQueue) dropExpired(h *held, now time.Time) {
	for len(h.packets) > 0 && !now.Before(h.packets[0].until) {
		q.dropOldest(h, packet.QueueExpired)
	}
}

// dropAll drops everything.
func (q *holdQueue) dropAll(why packet.Drop) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drops[why] += q.total
	q.total = 0
	clear(q.chains)
}

// count returns how many packets are held, and adds the drops.
func (q *holdQueue) count(drops *[packet.NumDrops]uint64) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, n := range q.drops {
		drops[i] += n
	}
	return q.total
}
