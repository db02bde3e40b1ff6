package dataplane

import (
	"bytes"
	"slices"
	"testing"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/policy"
	"warren/sa"
)

// openOne takes p, an ESP packet of layer i of a test nest sent by side 1, out of
// that layer, with a window of its own.
func openOne(t *testing.T, to *side, p *packet.Packet, i int) {
	t.Helper()
	h, _ := esp.ParseHeader(p.Bytes())
	in, err := sa.NewInbound(withKey(to.sad.Lookup(h.SPI()).Params(), 1, i))
	if err != nil {
		t.Fatal(err)
	}
	var burst esp.OpenBurst
	seqs := make([]uint64, 1)
	in.Begin(&burst, packet.Batch{p}, seqs)
	burst.Run()
	in.Finish(packet.Batch{p}, seqs, make([]uint8, 1))
	if p.Drop != packet.Live {
		t.Fatalf("layer %d: %v", i+1, p.Drop)
	}
}

// TestInnerChecksums: UDP over IPv6 inside a layer has a checksum, of what is
// sealed, though layers are otherwise put around a packet before they are.
func TestInnerChecksums(t *testing.T) {
	for _, name := range []string{"three, families mixed", "tunnel and udp transport over IPv6"} {
		p := newPair(t, nests[name]...)
		a, b := p.ends(true)
		probe := packet.New(2000)
		probe.Set(p.capture(t, datagram(a, b, 300, 1)).Data)
		sums := 0
		for i, spec := range p.specs {
			if i > 0 {
				probe.Parse()
				header := probe.Info.HeaderLen
				if spec.encap == packet.EncapUDP {
					if header += packet.UDPHeaderLen; spec.v6 {
						want := bytes.Clone(probe.Bytes())
						if !packet.SetUDPChecksum(want) || !bytes.Equal(probe.Bytes(), want) {
							t.Errorf("%s, layer %d: checksum % x, want % x", name, i+1, probe.Bytes()[header-2:header], want[header-2:header])
						}
						sums++
					}
				}
				probe.TrimFront(header)
			}
			openOne(t, p.b, probe, i)
		}
		if sums != 1 {
			t.Errorf("%s: %d checksums seen, want 1", name, sums)
		}
	}
}

// sealByHand seals q layer by layer, as no bundle would have to be, and calls
// then with the number of each that is done.
func sealByHand(bundle *nest.Bundle, q *packet.Packet, then func(i int)) {
	var burst esp.SealBurst
	for i := range bundle.Layers {
		q.Parse()
		l := layer{&bundle.Layers[i], i == len(bundle.Layers)-1}
		sealOne(&burst, q, &l, l.Link.Out.Load(), 1)
		burst.Run()
		then(i)
	}
}

// TestInnerECN: a mark that was set between two gateways counts for what is
// inside, though the network has set none (RFC 6040, Section 4.2).
func TestInnerECN(t *testing.T) {
	const ce, ect0 = 3, 2
	p := newPair(t, nests["two tunnels"]...)
	a, b := p.ends(false)
	pkt := datagram(a, b, 100, 1)
	packet.SetTOS(pkt, ect0)
	q := packet.New(2000)
	q.Set(pkt)
	q.TOS = ect0
	sealByHand(p.a.bundle, q, func(i int) {
		if i == 0 {
			packet.SetTOS(q.Bytes(), ce)
		}
	})
	q.TOS, q.Kind = ect0, packet.KindESPinUDP
	w := p.b.dp.ingress[0]
	if f := w.opener.open(p.b.dp.view.Load(), packet.Batch{q}); f[0] != toTUN || q.Info.TOS != ce {
		t.Errorf("fate %d (%v) with tos %#x, want %#x", f[0], q.Drop, q.Info.TOS, ce)
	}
}

// TestInnerTransportTTL: inside a tunnel the TTL comes through, as it was seen.
func TestInnerTransportTTL(t *testing.T) {
	p := newPair(t, nests["tunnel and transport"]...)
	p.start()
	a, b := p.ends(false)
	p.a.dev.Inject(datagram(a, b, 100, 1))
	if got := p.b.written(); ttl(got) != 61 {
		t.Errorf("the TTL is %d, want 61", ttl(got))
	}
}

// TestMixedBurst: packets of different SAs, layers and fates in one burst do not
// get in each other's way.
func TestMixedBurst(t *testing.T) {
	p := newPair(t, nests["two tunnels"]...)
	a, b := p.ends(false)
	spi, err := p.b.sad.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	params := sa.Params{
		SPI: spi, Suite: suite, Key: make([]byte, suite.KeyLen()), Layer: 9,
		Local: policy.Everything(), Remote: policy.Everything(),
	}
	in, _ := sa.NewInbound(params)
	out, err := sa.NewOutbound(params)
	if err != nil || p.b.sad.Install(in) != nil {
		t.Fatal(err)
	}
	accepted := &nest.LayerInfo{Layer: 9, Accepted: true, Link: new(nest.Link)}
	p.b.view.layers[9] = accepted
	p.b.view.expects = func(packet.Flow) sa.Layer { return 2 }

	chain := func() []byte { return p.capture(t, datagram(a, b, 200, 1)).Data }
	peer := func() []byte {
		q := packet.New(300)
		q.Set(datagram(a, b, 100, 2))
		var burst esp.SealBurst
		seq, _ := out.Reserve(1)
		out.Add(&burst, q, seq, packet.ProtoIPv4)
		burst.Run()
		return q.Bytes()
	}
	forge := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	twice := peer()
	rows := []struct {
		data []byte
		want packet.Drop
	}{
		{chain(), packet.Live}, {peer(), packet.Live}, {chain(), packet.Live}, {forge(peer()), packet.AuthFailed},
		{[]byte{1, 2, 3, 4}, packet.Runt}, {twice, packet.Live}, {forge(chain()), packet.AuthFailed},
		{slices.Clone(twice), packet.Replay}, {[]byte{9, 9, 9, 9, 0, 0, 0, 1}, packet.NoSA}, {chain(), packet.Live},
	}
	batch := packet.NewBatch(len(rows), 500)
	for i, row := range rows {
		batch[i].Set(row.data)
		batch[i].Kind = packet.KindESPinUDP
	}
	w := p.b.dp.ingress[0]
	w.tun = nullTun{p.b.dev}
	if err := w.batch(batch); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if batch[i].Drop != row.want {
			t.Errorf("packet %d: %v, want %v", i, batch[i].Drop, row.want)
		}
	}
	if c := p.b.dp.Counters(); !c.Balanced() || c.ToTUN != 5 {
		t.Errorf("counters %+v", c)
	}
	if n := accepted.Link.PacketsIn.Load(); n != 2 {
		t.Errorf("%d packets counted for the peer, want 2", n)
	}
	if n := p.b.view.layers[2].Link.PacketsIn.Load(); n != 3 {
		t.Errorf("%d packets counted for the chain, want 3", n)
	}
}

// TestForgets: a worker that has nothing to do keeps no SA, nor its key.
func TestForgets(t *testing.T) {
	x := newBench(t, "two tunnels", 100)
	x.keep()
	x.seal()
	x.open()
	o := &x.pair.b.dp.ingress[0].opener
	for _, r := range o.runs[:cap(o.runs)] {
		if r.in != nil {
			t.Fatal("the opener still has an SA")
		}
	}
	if o.last.in != nil {
		t.Fatal("the opener still has the SA of its last verdict")
	}
	s := x.a.dp.egress[0].sealer.layers
	for _, l := range s[:cap(s)] {
		if l.out != nil {
			t.Fatal("the sealer still has an SA")
		}
	}
}

// TestDepthOfTransport: after as many tunnels as are allowed one transport
// association may follow, and no second one.
func TestDepthOfTransport(t *testing.T) {
	specs := []layerSpec{{esp.Tunnel, packet.EncapUDP, false}, {esp.Transport, packet.EncapNone, false}, {esp.Transport, packet.EncapNone, false}}
	for depth, want := range map[int]packet.Drop{1: packet.Depth, 2: packet.Live} {
		p := newPair(t, specs...)
		p.b.dp.opt.Limits.Depth = depth
		a, b := p.ends(false)
		p.b.view.layers[1].Inner = append(p.b.view.layers[1].Inner, b)
		q := packet.New(2000)
		q.Set(datagram(a, b, 100, 1))
		sealByHand(p.a.bundle, q, func(int) {})
		q.Kind = packet.KindESPinUDP
		p.b.dp.ingress[0].opener.open(p.b.dp.view.Load(), packet.Batch{q})
		if q.Drop != want {
			t.Errorf("depth %d: %v, want %v", depth, q.Drop, want)
		}
	}
}
