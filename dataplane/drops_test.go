package dataplane

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/policy"
	"warren/sa"
	"warren/underlay/memnet"
)

// capture sends one packet from a to b and returns the datagram that carried it,
// which does not arrive.
func (p *pair) capture(t testing.TB, pkt []byte) memnet.Datagram {
	t.Helper()
	var got memnet.Datagram
	p.net.Hook = func(d memnet.Datagram) []memnet.Datagram {
		got = d
		return nil
	}
	b := packet.Batch{packet.New(packet.MaxPacket)}
	b[0].Set(pkt)
	if err := p.a.dp.egress[0].batch(b); err != nil {
		t.Fatal(err)
	}
	p.net.Hook = nil
	if got.Data == nil {
		t.Fatalf("nothing sent: %v", p.a.dp.Drops())
	}
	return got
}

// TestRefusals sends b what it must not accept, and wants it counted.
func TestRefusals(t *testing.T) {
	esp2 := nests["two tunnels"]
	tests := map[string]struct {
		send func(p *pair, good memnet.Datagram) []memnet.Datagram
		want map[packet.Drop]uint64
		pass uint64
	}{
		"replayed": {func(_ *pair, d memnet.Datagram) []memnet.Datagram {
			return []memnet.Datagram{d, d, d}
		}, map[packet.Drop]uint64{packet.Replay: 2}, 1},
		"forged": {func(_ *pair, d memnet.Datagram) []memnet.Datagram {
			bad := d
			bad.Data = bytes.Clone(d.Data)
			bad.Data[len(bad.Data)-1] ^= 1
			return []memnet.Datagram{bad, d}
		}, map[packet.Drop]uint64{packet.AuthFailed: 1}, 1},
		"truncated": {func(_ *pair, d memnet.Datagram) []memnet.Datagram {
			short, shorter := d, d
			short.Data, shorter.Data = d.Data[:len(d.Data)-20], d.Data[:9]
			return []memnet.Datagram{short, shorter}
		}, map[packet.Drop]uint64{packet.AuthFailed: 1, packet.Runt: 1}, 0},
		"unknown spi": {func(_ *pair, d memnet.Datagram) []memnet.Datagram {
			d.Data = bytes.Clone(d.Data)
			d.Data[3] ^= 0x55
			return []memnet.Datagram{d}
		}, map[packet.Drop]uint64{packet.NoSA: 1}, 0},
		"reserved spi": {func(_ *pair, d memnet.Datagram) []memnet.Datagram {
			return []memnet.Datagram{{From: d.From, To: d.To, Data: append([]byte{0, 0, 0, 255}, d.Data[4:]...)}}
		}, map[packet.Drop]uint64{packet.ReservedSPI: 1}, 0},
		"keepalive": {func(_ *pair, d memnet.Datagram) []memnet.Datagram {
			d.Data = []byte{0xff}
			return []memnet.Datagram{d}
		}, map[packet.Drop]uint64{packet.Keepalive: 1}, 0},
		"layer 2 from the network": {func(p *pair, d memnet.Datagram) []memnet.Datagram {
			outer := p.a.bundle.Layers[1].Link.Out.Load()
			in := p.b.sad.Lookup(outer.SPI())
			probe := packet.New(2000)
			probe.Set(d.Data)
			in2, err := sa.NewInbound(withKey(in.Params(), 1, 0)) // a window of its own
			if err != nil {
				t.Fatal(err)
			}
			var burst esp.OpenBurst
			seqs := make([]uint64, 1)
			in2.Begin(&burst, packet.Batch{probe}, seqs)
			burst.Run()
			in2.Finish(packet.Batch{probe}, seqs, make([]uint8, 1))
			if probe.Drop != packet.Live {
				t.Fatal(probe.Drop)
			}
			probe.TrimFront(packet.IPv4HeaderLen)
			d.Data = probe.Bytes()
			return []memnet.Datagram{d}
		}, map[packet.Drop]uint64{packet.WrongLayer: 1}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, esp2...)
			a, b := p.ends(false)
			good := p.capture(t, datagram(a, b, 200, 1))
			list := tt.send(p, good)
			p.b.dp.Start()
			for _, d := range list {
				p.net.Send(d)
			}
			c := p.b.settled(func(c Counters) bool { return c.FromNetwork == uint64(len(list)) })
			if c.ToTUN != tt.pass {
				t.Errorf("%d packets delivered, want %d", c.ToTUN, tt.pass)
			}
			for d, n := range tt.want {
				if c.In[d] != n {
					t.Errorf("%d dropped as %v, want %d; all: %v", c.In[d], d, n, p.b.dp.Drops())
				}
			}
		})
	}
}

// withKey puts the test key of layer i of the side src back into params.
func withKey(params sa.Params, src, i int) sa.Params {
	params.Key = bytes.Repeat([]byte{byte(16*src + i)}, suite.KeyLen())
	return params
}

// TestSelector sends what the SA's selectors do not cover.
func TestSelector(t *testing.T) {
	p := newPair(t, nests["udp tunnel"]...)
	out := p.a.bundle.Layers[0].Link.Out.Load()
	params := withKey(p.b.sad.Lookup(out.SPI()).Params(), 1, 0)
	p.b.sad.Remove(out.SPI())
	params.Remote = []policy.Selector{policy.PrefixSelector(netip.MustParsePrefix("10.77.0.1/32"))}
	in, err := sa.NewInbound(params)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.b.sad.Install(in); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.a.dev.Inject(datagram(addr(77, 1, false), addr(77, 2, false), 100, 1))
	p.a.dev.Inject(datagram(addr(66, 1, false), addr(77, 2, false), 100, 2))
	c := p.b.settled(func(c Counters) bool { return c.FromNetwork == 2 })
	if c.ToTUN != 1 || c.In[packet.Selector] != 1 {
		t.Errorf("%d delivered, drops %v", c.ToTUN, p.b.dp.Drops())
	}
}

// TestDepth lets packets come out of more layers than allowed.
func TestDepth(t *testing.T) {
	p := newPair(t, nests["four tunnels"]...)
	p.b.dp.opt.Limits.Depth = 3
	p.start()
	a, b := p.ends(false)
	p.a.dev.Inject(datagram(a, b, 100, 1))
	c := p.b.settled(func(c Counters) bool { return c.FromNetwork == 1 })
	if c.In[packet.Depth] != 1 {
		t.Errorf("drops %v, want one depth", p.b.dp.Drops())
	}
}

// TestEgressVerdicts wants each verdict carried out and counted.
func TestEgressVerdicts(t *testing.T) {
	a, b := addr(77, 1, false), addr(77, 2, false)
	tests := map[string]struct {
		decision nest.Decision
		pkt      []byte
		drop     packet.Drop
		answer   bool
	}{
		"discard":     {nest.Decision{Verdict: nest.Discard, Drop: packet.Discard}, datagram(a, b, 100, 1), packet.Discard, false},
		"no rule":     {nest.Decision{Verdict: nest.Discard, Drop: packet.NoRule}, datagram(a, b, 100, 1), packet.NoRule, false},
		"bypass":      {nest.Decision{Verdict: nest.Bypass}, datagram(a, b, 100, 1), packet.BypassOnTUN, false},
		"refused":     {nest.Decision{Verdict: nest.Refused, Drop: packet.Depth}, datagram(a, b, 100, 1), packet.Depth, false},
		"unreachable": {nest.Decision{Verdict: nest.Unreachable}, datagram(a, b, 100, 1), packet.Unreachable, true},
		"multicast":   {nest.Decision{Verdict: nest.Unreachable}, datagram(a, netip.MustParseAddr("224.0.0.22"), 100, 1), packet.Multicast, false},
		"not ip":      {nest.Decision{Verdict: nest.Unreachable}, bytes.Repeat([]byte{0xf0}, 40), packet.NotIP, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nests["udp tunnel"]...)
			p.a.view.decision = tt.decision
			p.start()
			p.a.dev.Inject(tt.pkt)
			c := p.a.settled(func(c Counters) bool { return c.FromTUN == 1 })
			if c.Out[tt.drop] != 1 || c.ToNetwork != 0 {
				t.Errorf("%d sent, drops %v", c.ToNetwork, p.a.dp.Drops())
			}
			if got := c.Answers == 1; got != tt.answer {
				t.Errorf("answered: %v, want %v", got, tt.answer)
			}
		})
	}
}

// TestInvariant feeds both edges of both nodes any mixture of good and bad.
func TestInvariant(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"udp tunnel", "two tunnels", "three tunnels and transport", "three, families mixed"}
		p := newPair(t, nests[rapid.SampledFrom(names).Draw(rt, "nest")]...)
		a, b := p.ends(false)
		good := p.capture(t, datagram(a, b, 100, 1))
		p.start()
		n := rapid.IntRange(1, 40).Draw(rt, "n")
		sent := uint64(1) // by capture
		arrived := uint64(0)
		for range n {
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				d := good
				d.Data = slices.Clone(good.Data)
				at := rapid.IntRange(0, len(d.Data)-1).Draw(rt, "at")
				d.Data[at] ^= rapid.Byte().Draw(rt, "xor")
				d.Data = d.Data[:rapid.IntRange(0, len(d.Data)).Draw(rt, "len")]
				p.net.Send(d)
				arrived++
			case 1:
				p.a.dev.Inject(datagram(a, b, rapid.IntRange(28, 1600).Draw(rt, "size"), 2))
				sent++
			case 2:
				p.a.dev.Inject(rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(rt, "junk"))
				sent++
			case 3:
				p.net.Send(good)
				arrived++
			}
		}
		c := p.a.settled(func(c Counters) bool { return c.FromTUN == sent })
		p.b.settled(func(d Counters) bool { return d.FromNetwork == c.ToNetwork-1+arrived })
		_ = p.a.dp.Close()
		_ = p.b.dp.Close()
	})
}
