package dataplane

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/policy"
	"warren/sa"
	"warren/tun/tuntest"
	"warren/underlay/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// layerSpec is one layer of a test nest.
type layerSpec struct {
	mode  esp.Mode
	encap packet.Encap
	v6    bool // outer addresses
}

// fakeView decides the same for all flows.
type fakeView struct {
	decision nest.Decision
	layers   map[sa.Layer]*nest.LayerInfo
	expects  func(packet.Flow) sa.Layer // nil: the innermost layer
	listens  []netip.Addr
}

func (v *fakeView) Decide(packet.Flow) nest.Decision  { return v.decision }
func (v *fakeView) Layer(id sa.Layer) *nest.LayerInfo { return v.layers[id] }

func (v *fakeView) Listens(a netip.Addr) bool { return slices.Contains(v.listens, a) }

func (v *fakeView) Expects(f packet.Flow, _ sa.Layer) sa.Layer {
	if v.expects != nil {
		return v.expects(f)
	}
	return sa.Layer(len(v.layers))
}

// recorder is a Handler that remembers.
type recorder struct {
	mu    sync.Mutex
	ike   []Message
	needs []nest.Key
	paths []int
	done  chan struct{} // one per call
}

func (r *recorder) IKE(m Message) {
	r.mu.Lock()
	r.ike = append(r.ike, m)
	r.mu.Unlock()
	r.done <- struct{}{}
}

func (r *recorder) Need(_ packet.Flow, k nest.Key) {
	r.mu.Lock()
	r.needs = append(r.needs, k)
	r.mu.Unlock()
	r.done <- struct{}{}
}

func (r *recorder) PathMTU(_ sa.Layer, _ netip.Addr, mtu int) {
	r.mu.Lock()
	r.paths = append(r.paths, mtu)
	r.mu.Unlock()
	r.done <- struct{}{}
}

// side is one node of a test.
type side struct {
	t      testing.TB
	dev    *tuntest.Device
	net    *memnet.Node
	sad    *sa.SAD
	h      *recorder
	view   *fakeView
	bundle *nest.Bundle
	dp     *Dataplane
}

// pair is two nodes with a nest of layers between them, keyed by hand.
type pair struct {
	a, b  *side
	net   *memnet.Network
	specs []layerSpec // outermost first

	suites []esp.Suite // of each layer; where there are none it is suite
}

var suite = esp.Suite{Cipher: esp.AES128GCM16, ESN: true}

func addr(layer, host int, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr(fmt.Sprintf("fd00:%d::%d", layer, host))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.%d.0.%d", layer, host))
}

func newSide(t testing.TB, net *memnet.Network, host, workers int) *side {
	s := &side{
		t: t, dev: tuntest.NewQueues(1400, workers), sad: sa.NewSAD(nil),
		net: net.NodeQueues(workers, addr(1, host, false), addr(1, host, true)),
		h:   &recorder{done: make(chan struct{}, 1<<14)}, view: &fakeView{layers: map[sa.Layer]*nest.LayerInfo{}},
	}
	dp, err := New(Options{Tun: s.dev, Underlay: s.net, SAD: s.sad, Handler: s.h, Limits: Limits{Batch: 32}})
	if err != nil {
		t.Fatal(err)
	}
	s.dp = dp
	t.Cleanup(func() { _ = dp.Close() })
	return s
}

// newPair makes a pair of several workers each, not started.
func newPair(t testing.TB, specs ...layerSpec) *pair { return newWorkers(t, 3, specs...) }

func newWorkers(t testing.TB, workers int, specs ...layerSpec) *pair {
	return newMixed(t, workers, nil, specs...)
}

// newMixed makes a pair whose layers have a suite each.
func newMixed(t testing.TB, workers int, suites []esp.Suite, specs ...layerSpec) *pair {
	net := memnet.New()
	p := &pair{net: net, specs: specs, suites: suites, a: newSide(t, net, 1, workers), b: newSide(t, net, 2, workers)}
	p.a.bundle, p.b.bundle = p.join(p.a, p.b, 1, 2), p.join(p.b, p.a, 2, 1)
	for _, s := range []*side{p.a, p.b} {
		s.view.decision = nest.Decision{Verdict: nest.Send, Bundle: s.bundle}
		s.dp.Publish(s.view)
	}
	return p
}

// join makes the SAs from one side to the other, and the bundle that uses them.
func (p *pair) join(from, to *side, src, dst int) *nest.Bundle {
	b := &nest.Bundle{MTU: 1500}
	for i, spec := range p.specs {
		suite := suite
		if len(p.suites) > 0 {
			suite = p.suites[i]
		}
		id := sa.Layer(i + 1)
		spi, err := to.sad.Reserve()
		if err != nil {
			p.a.t.Fatal(err)
		}
		params := sa.Params{
			SPI: spi, Suite: suite, Key: bytes.Repeat([]byte{byte(16*src + i)}, suite.KeyLen()), Mode: spec.mode, Encap: spec.encap,
			Layer: id, Via: id - 1, Local: policy.Everything(), Remote: policy.Everything(), Born: time.Now(),
		}
		in, err := sa.NewInbound(params)
		if err != nil {
			p.a.t.Fatal(err)
		}
		if err := to.sad.Install(in); err != nil {
			p.a.t.Fatal(err)
		}
		out, err := sa.NewOutbound(params)
		if err != nil {
			p.a.t.Fatal(err)
		}
		link := new(nest.Link)
		link.Out.Store(out)
		l := nest.BundleLayer{Link: link, Mode: spec.mode, Encap: spec.encap, Src: addr(i+1, src, spec.v6), Dst: addr(i+1, dst, spec.v6)}
		if i > 0 {
			l.Header = testHeader(l)
		}
		b.Layers = append([]nest.BundleLayer{l}, b.Layers...)
		w := nest.Wrapping{Mode: spec.mode, Suite: suite, Encap: spec.encap, IPv6: spec.v6}
		b.MTU = b.MTU.Outer().Inner(w)
		p.inbound(to, i, id, dst, link)
	}
	outer := p.specs[0]
	port := uint16(0)
	if b.Encap = outer.encap; outer.encap == packet.EncapUDP {
		port = 4500
	}
	b.Ends = &packet.Ends{
		Local:  netip.AddrPortFrom(addr(1, src, outer.v6), port),
		Remote: netip.AddrPortFrom(addr(1, dst, outer.v6), port),
	}
	return b
}

// inbound tells a side of layer i: what is addressed to the next one goes round.
func (p *pair) inbound(s *side, i int, id sa.Layer, host int, link *nest.Link) {
	info := &nest.LayerInfo{Layer: id, Via: id - 1, Mode: p.specs[i].mode, Link: link}
	if i+1 < len(p.specs) {
		info.Inner = []netip.Addr{addr(i+2, host, p.specs[i+1].v6)}
	}
	s.view.layers[id] = info
}

func testHeader(l nest.BundleLayer) []byte {
	h := make([]byte, 48)
	n := 0
	proto := uint8(packet.ProtoESP)
	if l.Encap == packet.EncapUDP {
		proto = packet.ProtoUDP
	}
	if l.Mode == esp.Tunnel {
		n = packet.PutIP(h, packet.IPHeader{Src: l.Src, Dst: l.Dst, Proto: proto, TTL: 64, DF: true, Len: 40})
	}
	if l.Encap == packet.EncapUDP {
		packet.PutUDP(h[n:], 4500, 4500, 8)
		n += 8
	}
	return h[:n]
}

// ends are the addresses that packets carry at the two edges: those of the last
// layer where it is in transport mode.
func (p *pair) ends(v6 bool) (a, b netip.Addr) {
	last := p.specs[len(p.specs)-1]
	if last.mode == esp.Transport {
		n := len(p.specs)
		return addr(n, 1, last.v6), addr(n, 2, last.v6)
	}
	return addr(77, 1, v6), addr(77, 2, v6)
}

func (p *pair) start() {
	p.a.dp.Start()
	p.b.dp.Start()
}

// datagram makes an IP packet with a UDP datagram of size bytes in all.
func datagram(src, dst netip.Addr, size int, id byte) []byte {
	n := 20
	if src.Is6() {
		n = 40
	}
	b := make([]byte, size)
	packet.PutIP(b, packet.IPHeader{Src: src, Dst: dst, Proto: packet.ProtoUDP, TTL: 61, DF: true, Len: size})
	packet.PutUDP(b[n:], 1000, 2000, size-n)
	for i := n + 8; i < size; i++ {
		b[i] = id
	}
	packet.SetUDPChecksum(b)
	return b
}

// written returns the next packet that a side wrote to its TUN.
func (s *side) written() []byte {
	s.t.Helper()
	select {
	case b := <-s.dev.Written():
		return b
	case <-time.After(5 * time.Second):
		s.t.Fatalf("nothing written to the tun; counters %+v", s.dp.Drops())
		return nil
	}
}

// settled waits until all counters have come to rest and returns them.
func (s *side) settled(done func(Counters) bool) Counters {
	s.t.Helper()
	for range 5000 {
		if c := s.dp.Counters(); c.Balanced() && done(c) {
			return c
		}
		time.Sleep(time.Millisecond) // workers read real queues, beyond synctest
	}
	c := s.dp.Counters()
	s.t.Fatalf("counters do not balance: %+v", c)
	return c
}
