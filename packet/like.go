package packet

import "encoding/binary"

// A Like is the headers of one packet and what Parse made of them, and knows others
// that have the same, as the packets of a flow do, without parsing them. The zero
// value knows none.
type Like struct {
	words [6]uint64 // of the headers up to the ports, without what differs from packet to packet
	flow  Flow
	info  Info
	kind  likeKind
}

type likeKind uint8

const (
	likeNone likeKind = iota
	likeIPv4
	likeIPv6
)

// What words keep of each eight bytes: all but the length, and of IPv4 the
// identification and the checksum.
var (
	likeMask4 = [2]uint64{bytesMask(0xffff00000000ffff), bytesMask(0xffff0000ffffffff)}
	likeMask6 = bytesMask(0xffffffff0000ffff)
)

// bytesMask is a mask of eight bytes, given as they are in a packet, for what load gives.
func bytesMask(bytes uint64) uint64 {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], bytes)
	return binary.LittleEndian.Uint64(b[:])
}

func load(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// Learn takes note of p, which Parse has accepted. It knows no others where p has IP
// options or extension headers.
func (l *Like) Learn(p *Packet) {
	b := p.Bytes()
	l.kind, l.flow, l.info = likeNone, p.Flow, p.Info
	switch {
	case p.Info.HeaderLen == IPv4HeaderLen && b[0]>>4 == 4 && len(b) >= IPv4HeaderLen+usualL4:
		l.kind = likeIPv4
		l.words = [6]uint64{load(b) & likeMask4[0], load(b[8:]) & likeMask4[1], load(b[16:])}
	case p.Info.HeaderLen == IPv6HeaderLen && b[0]>>4 == 6 && len(b) >= IPv6HeaderLen+usualL4:
		l.kind = likeIPv6
		l.words = [6]uint64{load(b) & likeMask6, load(b[8:]), load(b[16:]), load(b[24:]), load(b[32:]), ports6(b)}
	}
}

func ports6(b []byte) uint64 { return uint64(binary.LittleEndian.Uint32(b[IPv6HeaderLen:])) }

// Parse does to p what [Packet.Parse] would do, if p has the headers that l knows,
// and reports whether it has.
func (l *Like) Parse(p *Packet) bool {
	b := p.Bytes()
	total, w := 0, &l.words
	switch l.kind {
	case likeIPv4:
		if len(b) < IPv4HeaderLen+usualL4 || (load(b)&likeMask4[0]^w[0])|(load(b[8:])&likeMask4[1]^w[1])|(load(b[16:])^w[2]) != 0 {
			return false
		}
		total = int(be16(b[2:]))
		if total < IPv4HeaderLen+usualL4 {
			return false
		}
	case likeIPv6:
		if len(b) < IPv6HeaderLen+usualL4 || (load(b)&likeMask6^w[0])|(load(b[8:])^w[1])|(load(b[16:])^w[2])|
			(load(b[24:])^w[3])|(load(b[32:])^w[4])|(ports6(b)^w[5]) != 0 {
			return false
		}
		total = IPv6HeaderLen + int(be16(b[4:]))
		if total < IPv6HeaderLen+usualL4 {
			return false
		}
	}
	if total == 0 || total > len(b) {
		return false
	}
	p.Flow = l.flow
	p.Info = l.info
	p.Info.TotalLen = total
	return true
}
