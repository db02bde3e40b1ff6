package dataplane

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/policy"
	"warren/sa"
	"warren/underlay/memnet"
)

// TestVerdicts opens bursts in which packets of one flow must not have the verdict
// of the one before: they came out of another SA, or are errors about another flow.
func TestVerdicts(t *testing.T) {
	own, near, far, router := addr(99, 1, false), addr(66, 2, false), addr(77, 2, false), addr(55, 2, false)
	s := newSide(t, memnet.New(), 3, 1)
	wide := s.addLayer(t, 1, policy.Everything())
	narrow := s.addLayer(t, 2, []policy.Selector{policy.AddrSelector(near)})
	s.view.expects = func(f packet.Flow) sa.Layer { // by what answers: near by the narrow one, or either
		switch f.Dst {
		case near:
			return 2
		case far:
			return 3
		}
		return 1
	}
	s.dp.Publish(s.view)
	from := func(a netip.Addr) []byte { return datagram(a, own, 100, 1) }
	report := func(about netip.Addr) []byte {
		return packet.ICMPUnreachable(make([]byte, 1280), datagram(own, about, 100, 1), packet.UnreachPort, router)
	}
	type row struct {
		out  *sa.Outbound
		pkt  []byte
		want packet.Drop
	}
	for i, rows := range [][]row{
		{{narrow, from(near), packet.Live}, {wide, from(near), packet.WrongLayer}, {narrow, from(near), packet.Live}},
		{{wide, from(router), packet.Live}, {narrow, from(router), packet.Selector}, {wide, from(router), packet.Live}},
		{{wide, from(far), packet.WrongLayer}, {wide, from(far), packet.WrongLayer}, {wide, from(router), packet.Live}},
		{{wide, report(router), packet.Live}, {wide, report(far), packet.WrongLayer}, {wide, report(near), packet.WrongLayer}},
		{{wide, report(far), packet.WrongLayer}, {wide, report(router), packet.Live}},
	} {
		b, burst := packet.NewBatch(len(rows), 1500), new(esp.SealBurst)
		for j, r := range rows {
			b[j].Set(r.pkt)
			seq, _ := r.out.Reserve(1)
			r.out.Add(burst, b[j], seq, packet.ProtoIPv4)
			b[j].Kind = packet.KindESPinUDP
		}
		burst.Run()
		s.dp.ingress[0].opener.open(s.dp.view.Load(), b)
		for j, r := range rows {
			if b[j].Drop != r.want {
				t.Errorf("burst %d, packet %d: %v, want %v", i, j, b[j].Drop, r.want)
			}
		}
	}
}

// addLayer gives s a layer on the network with these remote selectors, and returns
// the peer's SA.
func (s *side) addLayer(t *testing.T, id sa.Layer, remote []policy.Selector) *sa.Outbound {
	t.Helper()
	spi, err := s.sad.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	p := sa.Params{SPI: spi, Suite: suite, Key: bytes.Repeat([]byte{byte(id)}, suite.KeyLen()), Layer: id,
		Local: policy.Everything(), Remote: remote}
	in, err := sa.NewInbound(p)
	if err == nil {
		err = s.sad.Install(in)
	}
	out, outErr := sa.NewOutbound(p)
	if err != nil || outErr != nil {
		t.Fatal(err, outErr)
	}
	s.view.layers[id] = &nest.LayerInfo{Layer: id, Peer: fmt.Sprint("peer ", id), Link: new(nest.Link)}
	return out
}
