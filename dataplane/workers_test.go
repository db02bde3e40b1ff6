package dataplane

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"

	"warren/packet"
	"warren/sa"
)

// flowPacket is the seq-th packet of a flow, with the source port to tell it by.
func flowPacket(src, dst netip.Addr, flow uint16, seq uint32) []byte {
	b := datagram(src, dst, 100, 0)
	binary.BigEndian.PutUint16(b[20:], 1000+flow)
	binary.BigEndian.PutUint32(b[28:], seq)
	packet.SetUDPChecksum(b)
	return b
}

// rekey gives a side's outermost layer new SAs, with the keys of no one else.
func (p *pair) rekey(t *testing.T, from, to *side, generation byte) {
	link := from.bundle.Layers[len(from.bundle.Layers)-1].Link
	params := link.Out.Load().Params()
	spi, err := to.sad.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	params.SPI, params.Key, params.FirstSeq = spi, bytes.Repeat([]byte{generation}, suite.KeyLen()), 0
	in, err := sa.NewInbound(params)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.sad.Install(in); err != nil {
		t.Fatal(err)
	}
	out, err := sa.NewOutbound(params)
	if err != nil {
		t.Fatal(err)
	}
	link.Out.Store(out)
}

// TestFlowsStayInOrder sends many flows both ways through the same SAs by several
// workers, while those are rekeyed and views are published: nothing is lost, and
// each flow arrives in the order in which it was sent.
func TestFlowsStayInOrder(t *testing.T) {
	for _, workers := range []int{1, 4} {
		p := newWorkers(t, workers, nests["three tunnels and transport"]...)
		p.start()
		const flows, each = 16, 200
		a, b := p.ends(false)
		var all sync.WaitGroup
		all.Go(func() { p.sendFlows(p.a, a, b, flows, each) })
		all.Go(func() { p.sendFlows(p.b, b, a, flows, each) })
		all.Go(func() {
			for g := range byte(10) {
				p.rekey(t, p.a, p.b, 100+g)
				p.rekey(t, p.b, p.a, 200+g)
				p.a.dp.Publish(p.a.view)
				time.Sleep(time.Millisecond) // workers read real queues, beyond synctest
			}
		})
		p.inOrder(t, p.a, flows, each)
		p.inOrder(t, p.b, flows, each)
		all.Wait()
		for _, s := range []*side{p.a, p.b} {
			s.settled(func(c Counters) bool { return c.FromTUN == flows*each && c.ToTUN == flows*each })
		}
	}
}

func (p *pair) sendFlows(s *side, from, to netip.Addr, flows uint16, each uint32) {
	for seq := range each {
		for flow := range flows {
			s.dev.Inject(flowPacket(from, to, flow, seq))
		}
	}
}

func (p *pair) inOrder(t *testing.T, s *side, flows uint16, each uint32) {
	t.Helper()
	next := map[uint16]uint32{}
	for range uint32(flows) * each {
		b := s.written()
		flow, seq := binary.BigEndian.Uint16(b[20:]), binary.BigEndian.Uint32(b[28:])
		if seq != next[flow] {
			t.Fatalf("packet %d of flow %d comes in the place of packet %d", seq, flow, next[flow])
		}
		next[flow]++
	}
}
