package nest

import (
	"bytes"
	"net/netip"
	"testing"

	"warren/packet"
	"warren/sa"
)

// The address under a chain of four layers changes: the outermost one has
// another header, and no other layer notices anything.
func TestMoveUnderAChain(t *testing.T) {
	w := sampleUp(t)
	w.m.PathMTU(sa.Network, ip("192.0.2.1"), 1400, w.now)
	w.take()
	before, mtu := w.m.View().Decide(web).Bundle, w.m.Chains()[0].MTU
	w.drainLog()

	local, remote := netip.MustParseAddrPort("198.18.0.9:4500"), netip.MustParseAddrPort("192.0.2.1:4500")
	w.m.PathChanged(w.done[0], local, remote, packet.EncapUDP, w.now)
	w.take()
	wantLog(t, w, "moved web 1 sg1")
	b := w.m.View().Decide(web).Bundle
	if b.Local != local || b.Remote != remote || b.Used != before.Used {
		t.Errorf("ESP goes from %v to %v", b.Local, b.Remote)
	}
	last := len(b.Layers) - 1
	if last != 3 {
		t.Fatalf("%d layers", last+1)
	}
	for i := range last {
		was, is := before.Layers[i], b.Layers[i]
		if was.Link != is.Link || was.Src != is.Src || was.Dst != is.Dst || !bytes.Equal(was.Header, is.Header) {
			t.Errorf("layer %d from inside has changed from %+v to %+v", i+1, was, is)
		}
	}
	if outer := b.Layers[last]; outer.Link != before.Layers[last].Link || outer.Src != local.Addr() {
		t.Errorf("the outermost layer is %+v", outer)
	}
	if now := w.m.Chains()[0].MTU; now <= mtu {
		t.Errorf("what was learned about the old path still holds: MTU %d", now)
	}
	w.m.PathChanged(w.done[0], local, remote, packet.EncapUDP, w.now)
	w.take()
	wantLog(t, w) // where it is already
}

// A gateway that has moved is known by its new address.
func TestGatewayMoves(t *testing.T) {
	w := sampleUp(t)
	remote := netip.MustParseAddrPort("192.0.2.99:4500")
	w.m.PathChanged(w.done[0], netip.MustParseAddrPort("192.0.2.100:4500"), remote, packet.EncapUDP, w.now)
	before := w.m.Chains()[0].MTU
	w.m.PathMTU(sa.Network, ip("192.0.2.1"), 1300, w.now)
	if now := w.m.Chains()[0].MTU; now != before {
		t.Errorf("the path to where it was makes the MTU %d", now)
	}
	w.m.PathMTU(sa.Network, remote.Addr(), 1300, w.now)
	if now := w.m.Chains()[0].MTU; now >= before {
		t.Errorf("the path to where it is leaves the MTU at %d", now)
	}
}
