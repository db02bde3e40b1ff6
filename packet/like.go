package packet

// A Like is the headers of one packet and what Parse made of them, and knows others
// that have the same, as the packets of a flow do, without parsing them. The zero
// value knows none.
type Like struct {
	Flow Flow // of the packet

	info Info
	n    int // of head that is known: 0, or all up to the ports
	head [IPv6HeaderLen + usualL4]byte
	same *headerMask
}

// Learn takes note of p, which Parse has accepted. It knows no others where p has IP
// options or extension headers.
func (l *Like) Learn(p *Packet) {
	const n4, n6 = IPv4HeaderLen + usualL4, IPv6HeaderLen + usualL4
	b := p.Bytes()
	l.Flow = p.Flow
	l.info = p.Info
	l.n = 0
	switch {
	case p.Info.HeaderLen == IPv4HeaderLen && b[0]>>4 == 4 && len(b) >= n4:
		l.n, l.same = n4, maskUDP4
		*(*[n4]byte)(l.head[:]) = [n4]byte(b)
	case p.Info.HeaderLen == IPv6HeaderLen && b[0]>>4 == 6 && len(b) >= n6:
		l.n, l.same = n6, maskUDP6
		l.head = [n6]byte(b)
	}
}

// Parse does to p what [Packet.Parse] would do, if p has the headers that l knows,
// and reports whether it has.
func (l *Like) Parse(p *Packet) bool {
	b := p.Bytes()
	if l.n == 0 || len(b) < l.n || !l.same.equal(l.head[:l.n], b[:l.n]) {
		return false
	}
	total := int(be16(b[2:]))
	if l.same == maskUDP6 {
		total = IPv6HeaderLen + int(be16(b[4:]))
	}
	if total < l.n || total > len(b) {
		return false
	}
	p.Flow = l.Flow
	p.Info = l.info
	p.Info.TotalLen = total
	return true
}
