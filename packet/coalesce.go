package packet

import (
	"bytes"
	"encoding/binary"
)

// A Run is packets of a batch that a device can take as one super-packet: the
// first is whole, of the others there is the payload. Their bytes are those of
// the batch's packets.
type Run struct {
	// Packets are in the order of the batch. A Run of one is just that packet.
	Packets Batch

	// Segment is the payload of each, but for a shorter last one.
	Segment int

	shape
	same    *headerMask // what its packets' headers have in common
	size    int         // of the super-packet so far
	next    uint32      // the TCP sequence number that follows
	open    bool        // for another packet
	checked bool        // the first packet's checksums are right
	pushed  bool
}

// IsUDP reports whether the run is of UDP, else it is of TCP.
func (r *Run) IsUDP() bool { return r.proto == ProtoUDP }

// IsIPv6 reports whether the run is of IPv6.
func (r *Run) IsIPv6() bool { return r.v6 }

// Front returns how many bytes of headers the run's packets have, up to the
// payload, and where in them that of TCP or UDP starts.
func (r *Run) Front() (l4, payload int) { return r.headerLen, r.front }

// SumOff returns where in the header of TCP or UDP the checksum is.
func (r *Run) SumOff() int { return r.sumOff() }

// Payload returns what the i-th packet adds to the super-packet.
func (r *Run) Payload(i int) []byte {
	if i == 0 {
		return r.Packets[0].Bytes()
	}
	return r.Packets[i].Bytes()[r.front:]
}

// Merge makes the first packet's headers those of the super-packet, with a
// checksum of the pseudo-header only.
func (r *Run) Merge() {
	b := r.Packets[0].Bytes()
	r.setLengths(b, r.size, r.id(b))
	r.setPartial(b, r.size)
	if r.pushed {
		b[r.headerLen+tcpFlagsOff] |= tcpPSH
	}
}

// Undo makes the first packet one of its own again, as before Merge: for a
// device that refused.
func (r *Run) Undo() {
	b := r.Packets[0].Bytes()
	r.setLengths(b, len(b), r.id(b))
	if r.proto == ProtoTCP && len(r.Packets) > 1 {
		b[r.headerLen+tcpFlagsOff] &^= tcpPSH // it would have ended the run
	}
	r.setChecksum(b)
}

// maxOpen is how many runs, counted from the last, a packet may join. Further
// back order within a flow could not be told cheaply.
const maxOpen = 8

// A Coalescer finds runs in batches. It belongs to one goroutine.
type Coalescer struct {
	runs []Run
	n    int
}

// Runs returns the live packets of b as runs: those of one flow in their order,
// runs in the order of their first packets. A packet joins others only after
// the checksums of all of them were verified, as a super-packet tells the kernel
// to trust them. The result is valid until the next call.
func (c *Coalescer) Runs(b Batch) []Run {
	c.n = 0
	for _, p := range b {
		if p.Drop == Live {
			c.add(p)
		}
	}
	return c.runs[:c.n]
}

// add puts p at the end of the latest run of its flow, or begins one.
func (c *Coalescer) add(p *Packet) {
	if c.n > 0 && c.runs[c.n-1].join(p) { // as most do
		return
	}
	ip := p.Bytes()
	var s shape
	ok := s.set(ip)
	if ok {
		for i := c.n - 1; i >= max(0, c.n-maxOpen); i-- {
			r := &c.runs[i]
			if !r.sameFlow(&s, ip) {
				continue
			}
			if i < c.n-1 && r.join(p) {
				return
			}
			break
		}
	}
	c.begin(p, &s, ok)
}

// begin makes p the first packet of a new run.
func (c *Coalescer) begin(p *Packet, s *shape, ok bool) {
	if c.n == len(c.runs) {
		c.runs = append(c.runs, Run{})
	}
	r := &c.runs[c.n]
	c.n++
	ip := p.Bytes()
	*r = Run{Packets: append(r.Packets[:0], p), size: len(ip)}
	if !ok {
		return
	}
	r.shape, r.same = *s, s.mask()
	r.Segment = len(ip) - s.front
	r.open = r.Segment > 0 && mergeable(s, ip)
	if s.proto == ProtoTCP {
		r.next = binary.BigEndian.Uint32(ip[s.headerLen+tcpSeqOff:]) + uint32(r.Segment)
		r.open = r.open && ip[s.headerLen+tcpFlagsOff]&tcpPSH == 0
	}
}

// mergeable reports whether the packet is a plain segment of data: no IP options
// or extension headers, no TCP flags but ACK and PSH.
func mergeable(s *shape, ip []byte) bool {
	fixed := IPv4HeaderLen
	if s.v6 {
		fixed = IPv6HeaderLen
	}
	l4 := ip[s.headerLen:]
	switch {
	case s.headerLen != fixed:
		return false
	case s.proto == ProtoUDP:
		return int(be16(l4[4:])) == len(l4)
	}
	return l4[tcpFlagsOff]&^tcpPSH == tcpACK
}

// sameFlow compares protocol, addresses and ports.
func (r *Run) sameFlow(s *shape, ip []byte) bool {
	if r.proto != s.proto || r.v6 != s.v6 {
		return false
	}
	first := r.Packets[0].Bytes()
	return bytes.Equal(r.addresses(first), s.addresses(ip)) &&
		bytes.Equal(first[r.headerLen:r.headerLen+4], ip[s.headerLen:s.headerLen+4])
}

// join makes p the next packet of r, if it carries on where r ends, and the
// checksums of both are right.
func (r *Run) join(p *Packet) bool {
	ip := p.Bytes()
	n := len(ip) - r.front
	if !r.open || n <= 0 || n > r.Segment || r.size+n > MaxPacket || len(r.Packets) == MaxSegments || !r.carriesOn(ip) {
		return false
	}
	if !r.checked {
		r.checked = r.verified(r.Packets[0].Bytes())
		r.open = r.checked
	}
	if !r.checked || !r.verified(ip) {
		return false
	}
	r.Packets = append(r.Packets, p)
	r.size += n
	r.open = n == r.Segment
	if r.proto == ProtoTCP {
		r.next += uint32(n)
		if ip[r.headerLen+tcpFlagsOff]&tcpPSH != 0 {
			r.open, r.pushed = false, true
		}
	}
	return true
}

// carriesOn reports whether the headers of ip, which is longer than those, are what
// the kernel would make of r's first for the next packet. Identifications count
// up, unless the packets are never cut and have none (RFC 6864, Section 4.1).
func (r *Run) carriesOn(ip []byte) bool {
	first := r.Packets[0].Bytes()
	l4 := ip[r.headerLen:]
	switch {
	case !r.same.equal(first[:r.front], ip[:r.front]):
		return false
	case r.v6 && int(be16(ip[4:])) != len(l4):
		return false
	case !r.v6 && (int(be16(ip[2:])) != len(ip) || !r.df && be16(ip[4:]) != be16(first[4:])+uint16(len(r.Packets))):
		return false
	case r.proto == ProtoUDP:
		return int(be16(l4[udpLenOff:])) == len(l4)
	}
	return binary.BigEndian.Uint32(l4[tcpSeqOff:]) == r.next
}
