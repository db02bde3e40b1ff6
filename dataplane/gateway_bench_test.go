package dataplane

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/policy"
	"warren/sa"
	"warren/underlay/memnet"
)

// A gateway is a node with clients, each with a lease and a pair of SAs of its
// own, whose packets come in an order that nobody could guess.
type gateway struct {
	*side
	clients []client
	turn    []int // the order
	run     int   // packets in a row that are of one client
	next    int
	b       packet.Batch
	plain   []byte

	// All SAs have one key, so that the clients' part needs no memory to speak
	// of and leaves the caches alone.
	key    []byte
	sealer *esp.Sealer
	burst  esp.SealBurst
	ends   packet.Ends
}

// A client is the other end of a gateway's SAs.
type client struct {
	lease [4]byte
	spi   esp.SPI
	seq   uint32
}

const gatewayBatch = 128 // the default of Limits

func newGateway(t testing.TB, clients, run, size int) *gateway {
	g := &gateway{
		side: newSide(t, memnet.New(), 1, 1),
		run:  run,
		turn: rand.New(rand.NewPCG(1, 1)).Perm(clients),
		b:    packet.NewBatch(gatewayBatch, 2048),
		ends: packet.Ends{Local: netip.AddrPortFrom(addr(1, 1, false), 4500)},
	}
	g.key = bytes.Repeat([]byte{9}, suite.KeyLen())
	var err error
	if g.sealer, err = esp.NewSealer(suite, g.key); err != nil {
		t.Fatal(err)
	}
	m := nest.NewManager(nest.Options{Resolver: nest.NewResolver(policy.NewTables(nil, nil, policy.Discard), nil, 0)})
	for i := range clients {
		m.Accept(g.admit(i))
	}
	g.dp.Publish(m.View())
	g.dp.egress[0].net = &nullNet{Underlay: g.net}
	g.dp.ingress[0].tun = nullTun{g.dev}
	g.plain = datagram(addr(99, 1, false), addr(98, 1, false), size, 1)
	return g
}

// admit makes the SAs of the i-th client.
func (g *gateway) admit(i int) nest.AcceptedChild {
	lease := [4]byte{10, 1 + byte(i>>16), byte(i >> 8), byte(i)}
	spi, err := g.sad.Reserve()
	if err != nil {
		g.t.Fatal(err)
	}
	p := sa.Params{
		SPI: spi, Suite: suite, Key: g.key, Encap: packet.EncapUDP, Layer: sa.Layer(i + 1), Born: time.Now(),
		Local: policy.Everything(), Remote: []policy.Selector{policy.AddrSelector(netip.AddrFrom4(lease))},
	}
	in, inErr := sa.NewInbound(p)
	out, outErr := sa.NewOutbound(p)
	if inErr != nil || outErr != nil || g.sad.Install(in) != nil {
		g.t.Fatal(inErr, outErr)
	}
	g.clients = append(g.clients, client{lease: lease, spi: spi})
	return nest.AcceptedChild{
		Layer: p.Layer, Peer: fmt.Sprint("client ", i), Encap: p.Encap, Suite: suite,
		Local:   netip.AddrPortFrom(addr(1, 1, false), 4500),
		Remote:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, byte(i >> 16), byte(i >> 8), byte(i)}), 4500),
		Inner4:  netip.AddrFrom4(lease),
		LocalTS: p.Local, RemoteTS: p.Remote, SPIIn: spi, SPIOut: spi, Out: out,
	}
}

// some is the next client.
func (g *gateway) some() *client {
	g.next++
	return &g.clients[g.turn[g.next/g.run%len(g.turn)]]
}

// out forwards a batch to clients and returns what it took.
func (g *gateway) out() time.Duration {
	for _, p := range g.b {
		p.Set(g.plain)
		copy(p.Bytes()[16:], g.some().lease[:])
	}
	start := time.Now()
	_ = g.dp.egress[0].batch(g.b)
	return time.Since(start)
}

// in forwards a batch from clients.
func (g *gateway) in() time.Duration {
	for _, p := range g.b {
		c := g.some()
		p.Set(g.plain)
		copy(p.Bytes()[12:], c.lease[:])
		c.seq++
		g.sealer.Add(&g.burst, p, c.spi, uint64(c.seq), packet.ProtoIPv4)
		p.Kind, p.Ends = packet.KindESPinUDP, &g.ends
	}
	g.burst.Run()
	start := time.Now()
	_ = g.dp.ingress[0].batch(g.b)
	return time.Since(start)
}

// BenchmarkGateway forwards packets of one client, and of ten thousand in a
// random order: sixteen in a row of each, as TCP sends them, or but one, so that
// every packet needs another SA, the worst that can come. Only the gateway's part
// is measured.
func BenchmarkGateway(b *testing.B) {
	for _, size := range []int{64, 1400} {
		for _, load := range []struct{ clients, run int }{{1, 1}, {10_000, 16}, {10_000, 1}} {
			g := newGateway(b, load.clients, load.run, size)
			for name, batch := range map[string]func() time.Duration{"in": g.in, "out": g.out} {
				b.Run(fmt.Sprintf("%s/clients=%d/run=%d/%d", name, load.clients, load.run, size), func(b *testing.B) {
					benchmarkGateway(b, load.clients*load.run, batch)
				})
			}
		}
	}
}

// benchmarkGateway measures batches once so many packets have gone through.
func benchmarkGateway(b *testing.B, before int, batch func() time.Duration) {
	for range before / gatewayBatch {
		batch()
	}
	var took time.Duration
	for b.Loop() {
		took += batch()
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*gatewayBatch), "ns/packet")
	b.ReportMetric(0, "ns/op")
}

// TestGatewayForwards sees that the benchmark's packets go where they should.
func TestGatewayForwards(t *testing.T) {
	g := newGateway(t, 300, 1, 100)
	for range 10 {
		g.in()
		g.out()
	}
	if c := g.dp.Counters(); c.ToTUN != 10*gatewayBatch || c.ToNetwork != 10*gatewayBatch {
		t.Errorf("%d packets in and %d out, want %d; drops %v", c.ToTUN, c.ToNetwork, 10*gatewayBatch, g.dp.Drops())
	}
}
