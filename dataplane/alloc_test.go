package dataplane

import (
	"testing"

	"warren/packet"
	"warren/tun"
	"warren/underlay"
)

// nullTun takes everything.
type nullTun struct{ tun.Device }

func (nullTun) WriteBatch(b packet.Batch) (int, error) { return len(b), nil }

// nullNet keeps copies of what was sent where it is told to.
type nullNet struct {
	underlay.Underlay
	kept packet.Batch
	n    int
	back packet.Ends // of what is kept, turned round
}

func (u *nullNet) WriteBatch(b packet.Batch) (int, error) {
	for _, p := range b {
		if u.n < len(u.kept) {
			u.kept[u.n].Set(p.Bytes())
			u.back = packet.Ends{Local: p.Remote(), Remote: p.Local()} // the same for all
			u.kept[u.n].Kind, u.kept[u.n].Ends = p.Kind, &u.back
			u.n++
		}
	}
	return len(b), nil
}

// bench is a pair whose edges do nothing, and packets for it.
type bench struct {
	*pair
	net *nullNet
	b   packet.Batch
	pkt []byte
}

const batchLen = 32

func newBench(t testing.TB, name string, size int) *bench { return newBenchOf(t, nests[name], size) }

func newBenchOf(t testing.TB, specs []layerSpec, size int) *bench {
	return newBenchWith(newWorkers(t, 1, specs...), size)
}

func newBenchWith(p *pair, size int) *bench {
	x := &bench{pair: p, net: &nullNet{Underlay: p.a.net, kept: packet.NewBatch(batchLen, 2048)}, b: packet.NewBatch(batchLen, 2048)}
	x.net.n = batchLen
	p.a.dp.egress[0].net = x.net
	p.b.dp.ingress[0].tun = nullTun{p.b.dev}
	a, b := p.ends(false)
	x.pkt = datagram(a, b, size, 1)
	return x
}

// seal takes a batch through the egress stages.
func (x *bench) seal() {
	x.fill()
	x.sealFilled()
}

func (x *bench) fill() {
	for _, p := range x.b {
		p.Set(x.pkt)
	}
}

func (x *bench) sealFilled() { _ = x.a.dp.egress[0].batch(x.b) }

// open takes the batch that seal kept through the ingress stages.
func (x *bench) open() { _ = x.pair.b.dp.ingress[0].batch(x.net.kept) }

func (x *bench) keep() { x.net.n = 0 }

var depths = []string{"udp tunnel", "two tunnels", "three, families mixed", "four tunnels", "three tunnels and transport"}

func TestAllocs(t *testing.T) {
	for _, name := range depths {
		t.Run(name, func(t *testing.T) {
			x := newBench(t, name, 1000)
			if n := testing.AllocsPerRun(50, x.seal); n != 0 {
				t.Errorf("egress of a batch allocates %v times, want 0", n)
			}
			n := testing.AllocsPerRun(50, func() {
				x.keep()
				x.seal()
				x.open()
			})
			if n != 0 {
				t.Errorf("ingress of a batch allocates %v times, want 0", n)
			}
			x.pair.b.accepts()
			n = testing.AllocsPerRun(50, func() {
				x.keep()
				x.seal()
				x.open()
			})
			if n != 0 {
				t.Errorf("ingress of a batch at a responder allocates %v times, want 0", n)
			}
			if c := x.pair.b.dp.Counters(); c.ToTUN != 2*51*batchLen {
				t.Errorf("%d packets delivered, want %d; drops %v", c.ToTUN, 2*51*batchLen, x.pair.b.dp.Drops())
			}
		})
	}
}
