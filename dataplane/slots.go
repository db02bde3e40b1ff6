package dataplane

import "warren/packet"

// slots is memory for packets that are made here, close together so that a batch
// of them stays in the cache. It belongs to one worker.
type slots struct {
	batch packet.Batch
	n     int
	mem   []byte
	pos   int
}

const (
	slotExtra = packet.Headroom + packet.Tailroom
	usualLen  = 1536
)

func newSlots(n int) slots {
	return slots{
		batch: packet.NewBatch(n, 0),
		mem:   make([]byte, max(n*(slotExtra+usualLen), slotExtra+packet.MaxPacket)),
	}
}

// next returns an empty packet for size bytes with just that room around it, right
// behind the one before; nil where there is none before the next reset.
func (s *slots) next(r room, size int) *packet.Packet {
	end := s.pos + r.front + size + r.back
	if s.n == len(s.batch) || end > len(s.mem) {
		return nil
	}
	p := s.batch[s.n]
	p.Lend(s.mem[s.pos:end:end], r.front, r.front)
	s.n++
	s.pos = end
	return p
}

func (s *slots) reset() { s.n, s.pos = 0, 0 }
