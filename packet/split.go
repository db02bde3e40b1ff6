package packet

import "encoding/binary"

// A Splitter cuts super-packets into the packets they stand for, with all
// headers and checksums as they go on the wire: what the kernel does where the
// device cannot (TSO, USO). It belongs to one goroutine.
type Splitter struct {
	shape
	from    *Packet
	payload []byte // not handed out yet
	segment int
	count   int    // handed out
	first   uint16 // identification
	seq     uint32
	flags   uint8
}

// Start begins with p, which must keep its bytes until Next has given its last
// packet. It reports false where p is no super-packet of TCP or UDP. Headers
// may be changed between Start and Next, where that keeps their shape.
func (s *Splitter) Start(p *Packet) bool {
	b := p.Bytes()
	sh, ok := shapeOf(b)
	if !ok || p.Segment <= 0 {
		return false
	}
	*s = Splitter{shape: sh, from: p, payload: b[sh.front:], segment: p.Segment, first: sh.id(b)}
	if sh.proto == ProtoTCP {
		s.seq = binary.BigEndian.Uint32(b[sh.headerLen+tcpSeqOff:])
		s.flags = b[sh.headerLen+tcpFlagsOff]
	}
	return true
}

// Packets returns how many packets Next will give from Start on.
func (s *Splitter) Packets() int {
	return max(1, (len(s.from.Bytes())-s.front+s.segment-1)/s.segment)
}

// Largest returns the length of the longest of them.
func (s *Splitter) Largest() int { return s.front + min(s.segment, len(s.from.Bytes())-s.front) }

// Next makes the next packet in q, which is empty and has room for Largest bytes,
// with Flow and Info. It reports false when there is none.
func (s *Splitter) Next(q *Packet) bool {
	if len(s.payload) == 0 && s.count > 0 {
		return false
	}
	head := s.from.Bytes()[:s.front]
	n := min(s.segment, len(s.payload))
	b := q.Append(s.front + n)
	if b == nil {
		return false
	}
	copy(b, head)
	copy(b[s.front:], s.payload[:n])
	s.payload = s.payload[n:]
	s.setLengths(b, len(b), s.first+uint16(s.count))
	if s.proto == ProtoTCP {
		s.number(b[s.headerLen:])
	}
	s.setChecksum(b)
	s.count++
	q.Flow, q.Info = s.from.Flow, s.from.Info
	q.Info.TotalLen = len(b)
	return true
}

// number gives the TCP segment its sequence number, and the flags that belong to
// the last or to the first one only.
func (s *Splitter) number(tcp []byte) {
	binary.BigEndian.PutUint32(tcp[tcpSeqOff:], s.seq+uint32(s.count*s.segment))
	flags := s.flags
	if len(s.payload) > 0 {
		flags &^= tcpFIN | tcpPSH
	}
	if s.count > 0 {
		flags &^= tcpCWR
	}
	tcp[tcpFlagsOff] = flags
}
