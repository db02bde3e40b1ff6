package dataplane

import (
	"encoding/binary"
	"math/bits"

	"warren/packet"
)

// A flowKey is a flow in the form in which it is quick to hash and to compare.
// Two IPv4 addresses share a word.
type flowKey struct{ a, b, c, d, rest uint64 }

const (
	fragBit   = 1 << 63
	ipv4Bit   = 1 << 62 // both addresses are IPv4
	lengthOff = 40      // of their lengths where they are not
)

// set makes k the key of f. Addresses have no zones, as packets have none.
func (k *flowKey) set(f *packet.Flow) {
	rest := uint64(f.Proto)<<32 | uint64(f.SrcPort)<<16 | uint64(f.DstPort)
	if f.Frag {
		rest |= fragBit
	}
	if f.Src.Is4() && f.Dst.Is4() {
		src, dst := f.Src.As4(), f.Dst.As4()
		*k = flowKey{a: uint64(binary.BigEndian.Uint32(src[:]))<<32 | uint64(binary.BigEndian.Uint32(dst[:])), rest: rest | ipv4Bit}
		return
	}
	var room [32]byte // As16 would be copied in a way that processors stall on
	src, _ := f.Src.AppendBinary(room[:0:16])
	dst, _ := f.Dst.AppendBinary(room[16:16:32])
	k.a, k.b = binary.LittleEndian.Uint64(room[:]), binary.LittleEndian.Uint64(room[8:])
	k.c, k.d = binary.LittleEndian.Uint64(room[16:]), binary.LittleEndian.Uint64(room[24:])
	k.rest = rest | uint64(len(src))<<(lengthOff+8) | uint64(len(dst))<<lengthOff
}

func (k *flowKey) equal(o *flowKey) bool {
	return k.a == o.a && k.rest == o.rest && k.d == o.d && k.b == o.b && k.c == o.c
}

// hash mixes the flow with a seed that peers do not know, so that they cannot
// aim at one bucket. The two addresses do not wait for each other.
func (k *flowKey) hash(s *[4]uint64) uint64 {
	h := fold(k.a^s[0], k.b^s[1]) ^ fold(k.c^s[2], k.d^s[3])
	// One step of wyhash does not spread neighbouring ports under every seed.
	return fold(fold(h^s[0], k.rest^s[2])^s[1], 0xd6e8feb86659fd93)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
