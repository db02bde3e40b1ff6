package packet

import (
	"testing"

	"pgregory.net/rapid"
)

// TestLike: a packet that is taken for like another is what Parse says of it, and so
// is one that differs from the other only in what may differ.
func TestLike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := usualPacket(t)
		p := New(len(first))
		p.Set(first)
		if p.Parse(); p.Drop != Live {
			t.Skip("none that is parsed")
		}
		var l Like
		l.Learn(p)

		b := append([]byte(nil), first...)
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			i := rapid.IntRange(0, min(len(b), 48)-1).Draw(t, "offset")
			b[i] ^= rapid.SampledFrom([]byte{1, 0x10, 0x80, 0xff}).Draw(t, "change")
		}
		b = b[:rapid.SampledFrom([]int{len(b), len(b), min(len(b), 23), min(len(b), 43)}).Draw(t, "length")]
		want, got := New(len(b)), New(len(b))
		want.Set(b)
		got.Set(b)
		want.Parse()
		if l.Parse(got) && (want.Drop != Live || got.Flow != want.Flow || got.Info != want.Info) {
			t.Fatalf("% x, after % x:\n%+v %+v, want\n%+v %+v %v", b, first, got.Flow, got.Info, want.Flow, want.Info, want.Drop)
		}
	})
}

// usualPacket is a packet with at least eight bytes behind its header.
func usualPacket(t *rapid.T) []byte {
	n := rapid.IntRange(8, 30).Draw(t, "payload")
	proto := rapid.SampledFrom([]uint8{ProtoTCP, ProtoUDP, ProtoESP, ProtoICMP}).Draw(t, "proto")
	h := IPHeader{Src: addr4a, Dst: addr4b, Proto: proto, TTL: 64, DF: rapid.Bool().Draw(t, "df"), Len: IPv4HeaderLen + n}
	if rapid.Bool().Draw(t, "IPv6") {
		h.Src, h.Dst, h.Len = addr6a, addr6b, IPv6HeaderLen+n
	}
	b := make([]byte, h.Len)
	PutIP(b, h)
	copy(b[h.Len-n:], []byte{1, 2, 3, 4, 0, byte(n), 7, 8})
	return append(b, make([]byte, rapid.IntRange(0, 3).Draw(t, "behind"))...)
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
			if known := l.Parse(p); known != (i > 0) {
				t.Errorf("%v, packet %d: known %v", h.Dst, i, known)
			} else if !known {
				p.Parse()
				l.Learn(p)
			} else if p.Info.TotalLen != h.Len || p.Flow.Dst != h.Dst {
				t.Errorf("%v, packet %d: %+v %+v", h.Dst, i, p.Flow, p.Info)
			}
		}
	}
}
