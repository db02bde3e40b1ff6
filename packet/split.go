package packet

import "encoding/binary"

// A Splitter cuts super-packets into the packets they stand for, with all
// headers and checksums as they go on the wire: what the kernel does where the
// device cannot (TSO, USO). It belongs to one goroutine.
type Splitter struct {
	shape
	from    *Packet
	head    []byte // all headers of from
	payload []byte // not handed out yet
	segment int
	count   int    // handed out
	first   uint16 // identification
	seq     uint32
	flags   uint8

	// Sums of from's headers without the fields that differ from packet to packet,
	// folded. To add up each packet's own would be slower: what was just written in small
	// parts cannot be read in large ones at once.
	ipSum, l4Sum uint64
}

// Start begins with p, which must keep its bytes until Next has given its last
// packet. It reports false where p is no super-packet of TCP or UDP.
func (s *Splitter) Start(p *Packet) bool {
	b := p.Bytes()
	var sh shape
	if !sh.set(b) || p.Segment <= 0 {
		return false
	}
	*s = Splitter{shape: sh, from: p, head: b[:sh.front], payload: b[sh.front:], segment: int(p.Segment), first: sh.id(b)}
	l4 := s.head[sh.headerLen:]
	if sh.proto == ProtoTCP {
		s.seq = binary.BigEndian.Uint32(l4[tcpSeqOff:])
		s.flags = l4[tcpFlagsOff]
	}
	s.sumHeaders(l4)
	return true
}

// sumHeaders adds up what all packets have in common.
func (s *Splitter) sumHeaders(l4 []byte) {
	if !s.v6 {
		s.ipSum = uint64(fold(sumWords(s.head[:s.headerLen], without(s.head, 2, 4, 10)))) // length, identification, checksum
	}
	own := without(l4, udpLenOff, udpSumOff)
	if s.proto == ProtoTCP {
		own = without(l4, tcpSeqOff, tcpSeqOff+2, tcpSumOff) + uint64(^uint16(s.flags))
	}
	s.l4Sum = uint64(fold(sumWords(l4, uint64(fold(s.pseudo(s.head, 0)))+own)))
}

// without is what to add to a sum of b for the 16-bit words at the offsets at to
// count as zeros (RFC 1624, Section 3).
func without(b []byte, at ...int) (sum uint64) {
	for _, i := range at {
		sum += uint64(^be16(b[i:]))
	}
	return sum
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
	n := min(s.segment, len(s.payload))
	b := q.Append(s.front + n)
	if b == nil {
		return false
	}
	copy(b, s.head)
	sum := s.l4Sum + uint64(copySum(b[s.front:], s.payload[:n]))
	s.payload = s.payload[n:]
	s.finishIP(b)
	s.finishL4(b[s.headerLen:], sum)
	s.count++
	q.Flow = s.from.Flow
	q.Info = s.from.Info
	q.Info.TotalLen = len(b)
	return true
}

// finishIP writes what differs from packet to packet into the IP header.
func (s *Splitter) finishIP(b []byte) {
	if s.v6 {
		putBE16(b[4:], uint16(len(b)-IPv6HeaderLen))
		return
	}
	id := s.first + uint16(s.count)
	putBE16(b[2:], uint16(len(b)))
	putBE16(b[4:], id)
	putBE16(b[10:], ^fold(s.ipSum+uint64(len(b))+uint64(id)))
}

// finishL4 does so with the header of TCP or UDP, sum being that of the other
// headers and of the payload.
func (s *Splitter) finishL4(l4 []byte, sum uint64) {
	sum += uint64(len(l4)) // in the pseudo-header
	if s.proto == ProtoUDP {
		putBE16(l4[udpLenOff:], uint16(len(l4)))
		sum = uint64(^fold(sum + uint64(len(l4))))
		if sum == 0 {
			sum = 0xffff // zero would mean none (RFC 768)
		}
		putBE16(l4[udpSumOff:], uint16(sum))
		return
	}
	seq, flags := s.number()
	binary.BigEndian.PutUint32(l4[tcpSeqOff:], seq)
	l4[tcpFlagsOff] = flags
	putBE16(l4[tcpSumOff:], ^fold(sum+uint64(seq>>16)+uint64(seq&0xffff)+uint64(flags)))
}

// number is the TCP segment's sequence number, and the flags without those that
// belong to the last or to the first one only.
func (s *Splitter) number() (seq uint32, flags uint8) {
	flags = s.flags
	if len(s.payload) > 0 {
		flags &^= tcpFIN | tcpPSH
	}
	if s.count > 0 {
		flags &^= tcpCWR
	}
	return s.seq + uint32(s.count*s.segment), flags
}
