package packet

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// usualPackets are those that a Like may know, and fragments.
func usualPackets() (list [][]byte) {
	for _, proto := range []uint8{ProtoTCP, ProtoUDP, ProtoESP, ProtoICMP} {
		for _, h := range []IPHeader{{Src: addr4a, Dst: addr4b}, {Src: addr4a, Dst: addr4b, DF: true}, {Src: addr6a, Dst: addr6b}} {
			h.Proto, h.TTL, h.Len = proto, 64, 80
			b := make([]byte, h.Len)
			n := PutIP(b, h)
			copy(b[n:], []byte{1, 2, 3, 4, 0, byte(h.Len - n), 7, 8})
			list = append(list, b)
			if h.Src == addr4a && !h.DF {
				first, later := slices.Clone(b), slices.Clone(b)
				first[6], later[7] = 0x20, 1
				list = append(list, first, later)
			}
		}
	}
	return list
}

// TestLike changes every bit of the headers, every length, and where the packet ends:
// one that is taken for like the first is what Parse says of it.
func TestLike(t *testing.T) {
	for _, first := range usualPackets() {
		p := New(len(first))
		p.Set(first)
		if p.Parse(); p.Drop != Live {
			t.Fatalf("% x: %v", first, p.Drop)
		}
		var l Like
		l.Learn(p)
		known := 0
		check := func(what string, b []byte) {
			want, got := New(len(b)), New(len(b))
			want.Set(b)
			got.Set(b)
			want.Parse()
			if !l.Parse(got) {
				return
			}
			known++
			if want.Drop != Live || got.Flow != want.Flow || got.Info != want.Info {
				t.Errorf("% x, %s:\n%+v %+v, want\n%+v %+v %v", first, what, got.Flow, got.Info, want.Flow, want.Info, want.Drop)
			}
		}
		for bit := range 48 * 8 {
			b := slices.Clone(first)
			b[bit/8] ^= 1 << (bit % 8)
			check(fmt.Sprintf("byte %d, bit %d", bit/8, bit%8), b)
		}
		for n := range len(first) + 20 {
			b := slices.Clone(first)
			at := 2 // of the length
			if b[0]>>4 == 6 {
				at = 4
			}
			putBE16(b[at:], uint16(n))
			check(fmt.Sprintf("length %d", n), b)
			check(fmt.Sprintf("%d bytes", n), append(slices.Clone(first), make([]byte, 20)...)[:n])
		}
		if known == 0 {
			t.Errorf("% x: none is like it", first)
		}
	}
}

// TestLikeKnows: packets of a flow are known, whatever counts up in them.
func TestLikeKnows(t *testing.T) {
	for _, h := range []IPHeader{
		{Src: addr4a, Dst: addr4b, Proto: ProtoUDP, TTL: 64, DF: true},
		{Src: addr6a, Dst: addr6b, Proto: ProtoTCP, TTL: 64},
	} {
		var l Like
		for i := range 3 {
			h.Len, h.ID = 100+i, uint16(i)
			p := New(h.Len)
			PutIP(p.Append(h.Len), h)
			before := bytes.Clone(p.Bytes())
			if known := l.Parse(p); known != (i > 0) {
				t.Errorf("%v, packet %d: known %v", h.Dst, i, known)
			} else if !known {
				p.Parse()
				l.Learn(p)
			} else if p.Info.TotalLen != h.Len || p.Flow.Dst != h.Dst || !bytes.Equal(p.Bytes(), before) {
				t.Errorf("%v, packet %d: %+v %+v", h.Dst, i, p.Flow, p.Info)
			}
		}
	}
}
