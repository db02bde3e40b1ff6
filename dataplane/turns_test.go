package dataplane

import (
	"encoding/binary"
	"sync"
	"testing"

	"warren/nest"
	"warren/packet"
	"warren/tun/tuntest"
	"warren/underlay/memnet"
)

// TestOrder sends through the same SAs by four workers and as IKE: on the wire
// the sequence numbers of each SA only grow, so that the smallest window will do.
func TestOrder(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	var mu sync.Mutex
	last, wrong := map[uint32]uint32{}, 0
	p.net.Hook = func(d memnet.Datagram) []memnet.Datagram {
		mu.Lock()
		defer mu.Unlock()
		spi, seq := binary.BigEndian.Uint32(d.Data), binary.BigEndian.Uint32(d.Data[4:])
		if seq <= last[spi] {
			wrong++
		}
		last[spi] = seq
		return nil
	}
	const workers, each = 4, 4000
	from, to := p.ends(false)
	pkt := datagram(from, to, 100, 1)
	var all sync.WaitGroup
	for range workers {
		e := newEgress(p.a.dp, 0, ways)
		all.Go(func() {
			b := packet.NewBatch(16, 1500)
			for range each / len(b) {
				for _, q := range b {
					q.Set(pkt)
				}
				if err := e.batch(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	outer := *p.a.bundle
	outer.Layers = outer.Layers[1:]
	for range 100 {
		if err := p.a.dp.SendIKE(&outer, outer.Local, outer.Remote, false, pkt); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if spi := uint32(outer.Layers[0].Link.Out.Load().SPI()); wrong > 0 || last[spi] != workers*each+100 {
		t.Errorf("%d of %d packets were overtaken, the last number is %d", wrong, workers*each+100, last[spi])
	}
}

// flipView sends by two bundles in turn.
type flipView struct {
	*fakeView
	bundles [2]*nest.Bundle
}

func (v flipView) Decide(f packet.Flow) nest.Decision {
	return nest.Decision{Verdict: nest.Send, Bundle: v.bundles[f.Src.As4()[3]&1]}
}

// TestOrderOfTwo sends through two tunnels, each worker in another order: none
// waits for another that waits for it.
func TestOrderOfTwo(t *testing.T) {
	p := newPair(t, nests["udp tunnel"]...)
	second := *p.a.bundle
	second.Layers = []nest.BundleLayer{second.Layers[0]}
	second.Layers[0].Link = new(nest.Link)
	second.Layers[0].Link.Out.Store(p.a.bundle.Layers[0].Link.Out.Load())
	p.a.dp.Publish(flipView{p.a.view, [2]*nest.Bundle{p.a.bundle, &second}})
	p.net.Hook = func(memnet.Datagram) []memnet.Datagram { return nil }
	_, to := p.ends(false)
	var all sync.WaitGroup
	const workers, batches = 4, 1000
	for i := range workers {
		e := newEgress(p.a.dp, 0, ways)
		e.tun = tuntest.New(1400)
		all.Go(func() {
			b := packet.NewBatch(12, 1500)
			for range batches {
				for j, q := range b {
					q.Set(datagram(addr(77, 10+(i+j/3)%2, false), to, 100, 1))
				}
				if err := e.batch(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	sent := p.a.bundle.Layers[0].Link.PacketsOut.Load()
	if other := second.Layers[0].Link.PacketsOut.Load(); sent != other || sent+other != workers*batches*12 {
		t.Errorf("%d and %d packets went, want %d each", sent, other, workers*batches*6)
	}
	for _, b := range []*nest.Bundle{p.a.bundle, &second} {
		if o := order(b); !o.Try(99) {
			t.Error("a worker has kept its turn")
		}
	}
}
