package dataplane

import (
	"warren/esp"
	"warren/nest"
	"warren/packet"
)

// A room is free bytes in front of a packet and behind it.
type room struct{ front, back int }

// anyRoom is enough for every bundle.
var anyRoom = room{packet.Headroom, packet.Tailroom}

// roomOf is just what the layers of b put around a packet of n bytes: packets with
// that room, one behind the other, have no gap between them when they are sealed,
// and the kernel copies them faster. In transport mode it is more.
func roomOf(b *nest.Bundle, n int) (r room) {
	for i := range b.Layers {
		l := &b.Layers[i]
		out := l.Link.Out.Load()
		if out == nil || l.Mode != esp.Tunnel {
			return anyRoom
		}
		suite := out.Suite()
		front, sealed := esp.HeaderLen+suite.IVLen(), suite.SealedLen(n)
		r.front += front + len(l.Header)
		r.back += sealed - front - n
		n = sealed + len(l.Header)
	}
	return r
}
