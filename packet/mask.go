package packet

import "encoding/binary"

// maxFront is the most bytes of headers that packets of a run may have: IPv6 and TCP
// with all options.
const maxFront = IPv6HeaderLen + 15*4

// A headerMask says, in words of eight bytes, which bits of the headers are the same
// in all packets of a run. The others are lengths, checksums, and what counts up. Up
// to the ports that does not depend on the protocol.
type headerMask [(maxFront + 7) / 8]uint64

var (
	maskTCP4, maskUDP4 = newHeaderMask(false, ProtoTCP), newHeaderMask(false, ProtoUDP)
	maskTCP6, maskUDP6 = newHeaderMask(true, ProtoTCP), newHeaderMask(true, ProtoUDP)
)

func newHeaderMask(v6 bool, proto uint8) *headerMask {
	var b [maxFront + 7]byte
	for i := range b {
		b[i] = 0xff
	}
	l4 := IPv4HeaderLen
	if v6 {
		l4 = IPv6HeaderLen
		clear(b[4:6]) // payload length
	} else {
		clear(b[2:6])   // length, identification
		clear(b[10:12]) // checksum
	}
	if proto == ProtoUDP {
		clear(b[l4+udpLenOff:][:2])
		clear(b[l4+udpSumOff:][:2])
	} else {
		clear(b[l4+tcpSeqOff:][:4])
		clear(b[l4+tcpSumOff:][:2])
		b[l4+tcpFlagsOff] &^= tcpPSH
	}
	m := new(headerMask)
	for i := range m {
		m[i] = load(b[8*i:])
	}
	return m
}

func load(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// mask is the mask for packets of this shape that have no IP options.
func (s *shape) mask() *headerMask {
	switch {
	case s.v6 && s.proto == ProtoUDP:
		return maskUDP6
	case s.v6:
		return maskTCP6
	case s.proto == ProtoUDP:
		return maskUDP4
	}
	return maskTCP4
}

// equal compares two headers of one length, at least 24 bytes and a multiple of four.
func (m *headerMask) equal(a, b []byte) bool {
	x, y := (*[24]byte)(a), (*[24]byte)(b)
	diff := (load(x[:])^load(y[:]))&m[0] | (load(x[8:])^load(y[8:]))&m[1] | (load(x[16:])^load(y[16:]))&m[2]
	i := 3
	for a, b = a[24:], b[24:]; len(a) >= 8 && len(b) >= 8 && i < len(m); i++ {
		diff |= (load(a) ^ load(b)) & m[i]
		a, b = a[8:], b[8:]
	}
	if len(a) >= 4 && len(b) >= 4 && i < len(m) {
		diff |= uint64(binary.LittleEndian.Uint32(a)^binary.LittleEndian.Uint32(b)) & m[i]
	}
	return diff == 0
}
