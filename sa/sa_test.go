package sa

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"warren/esp"
	"warren/packet"
	"warren/policy"
)

func TestReserve(t *testing.T) {
	const last32 = math.MaxUint32
	tests := map[string]struct {
		esn      bool
		first    uint64
		life     Lifetime
		ask      []int
		want     []int
		refusal  packet.Drop
		wantSeqs []uint64
	}{
		"from 1":            {ask: []int{64, 1}, want: []int{64, 1}, wantSeqs: []uint64{1, 65}, refusal: packet.SeqExhausted},
		"none":              {ask: []int{0, -1}, want: []int{0, 0}, wantSeqs: []uint64{0, 0}, refusal: packet.SeqExhausted},
		"before the turn":   {first: last32 - 2, ask: []int{2, 2, 2}, want: []int{2, 1, 0}, wantSeqs: []uint64{last32 - 2, last32, 0}, refusal: packet.SeqExhausted},
		"over the turn":     {esn: true, first: last32 - 2, ask: []int{2, 2}, want: []int{2, 2}, wantSeqs: []uint64{last32 - 2, last32}, refusal: packet.SeqExhausted},
		"end of ESN":        {esn: true, first: math.MaxUint64 - 2, ask: []int{9, 9}, want: []int{2, 0}, wantSeqs: []uint64{math.MaxUint64 - 2, 0}, refusal: packet.SeqExhausted},
		"hard packet limit": {life: Lifetime{HardPackets: 10}, ask: []int{8, 8, 1}, want: []int{8, 2, 0}, wantSeqs: []uint64{1, 9, 0}, refusal: packet.SAExpired},
		"limit from 100":    {first: 100, life: Lifetime{HardPackets: 10}, ask: []int{64}, want: []int{10}, wantSeqs: []uint64{100}, refusal: packet.SAExpired},
		"limit of one":      {life: Lifetime{HardPackets: 1}, ask: []int{2, 2}, want: []int{1, 0}, wantSeqs: []uint64{1, 0}, refusal: packet.SAExpired},
		"limit under all":   {first: last32 - 2, life: Lifetime{HardPackets: 2}, ask: []int{9}, want: []int{2}, wantSeqs: []uint64{last32 - 2}, refusal: packet.SAExpired},
		"limit never met":   {first: last32, life: Lifetime{HardPackets: math.MaxUint64}, ask: []int{2}, want: []int{1}, wantSeqs: []uint64{last32}, refusal: packet.SeqExhausted},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := testParams(tt.esn)
			p.FirstSeq, p.Lifetime = tt.first, tt.life
			o := newOutbound(t, p)
			for i, n := range tt.ask {
				if first, got := o.Reserve(n); got != tt.want[i] || first != tt.wantSeqs[i] {
					t.Errorf("Reserve(%d) = %#x, %d, want %#x, %d", n, first, got, tt.wantSeqs[i], tt.want[i])
				}
			}
			if got := o.Refusal(); got != tt.refusal {
				t.Errorf("Refusal is %v, want %v", got, tt.refusal)
			}
		})
	}
}

// TestReserveConcurrent: no number is given out twice, and all are.
func TestReserveConcurrent(t *testing.T) {
	const total = 10_000
	p := testParams(false)
	p.FirstSeq = math.MaxUint32 - total + 1
	o := newOutbound(t, p)
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for {
				first, got := o.Reserve(7 + w)
				if got == 0 {
					return
				}
				mu.Lock()
				for i := range got {
					if seen[first+uint64(i)] {
						t.Errorf("%#x is given out twice", first+uint64(i))
					}
					seen[first+uint64(i)] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != total || seen[1<<32] || !seen[math.MaxUint32] {
		t.Errorf("%d numbers given out, want %d", len(seen), total)
	}
}

func TestOutboundEnds(t *testing.T) {
	p := testParams(true)
	p.Lifetime = Lifetime{HardBytes: 1000, SoftBytes: 500}
	o := newOutbound(t, p)
	o.Count(499, 1)
	if _, got := o.Reserve(1); got != 1 || o.SoftExpired(born) {
		t.Error("ended before its limit")
	}
	o.Count(1, 1)
	if !o.SoftExpired(born) || o.HardExpired(born) {
		t.Error("soft limit of bytes is not met")
	}
	o.Count(500, 1)
	if _, got := o.Reserve(1); got != 0 || o.Refusal() != packet.SAExpired || !o.HardExpired(born) {
		t.Errorf("past its bytes it gives %d numbers, %v", got, o.Refusal())
	}
	o = newOutbound(t, testParams(true))
	o.Retire()
	if _, got := o.Reserve(1); got != 0 || o.Refusal() != packet.SAExpired || !o.HardExpired(born) {
		t.Errorf("retired it gives %d numbers, %v", got, o.Refusal())
	}
}

func TestLifetime(t *testing.T) {
	p := testParams(true)
	p.Lifetime = Lifetime{SoftTime: time.Minute, HardTime: time.Hour, SoftPackets: 2, HardPackets: 3}
	in, out := newInbound(t, p), newOutbound(t, p)
	for _, tt := range []struct {
		age        time.Duration
		soft, hard bool
	}{
		{-time.Second, false, false}, {time.Minute - 1, false, false}, {time.Minute, true, false},
		{time.Hour - 1, true, false}, {time.Hour, true, true},
	} {
		now := born.Add(tt.age)
		if in.SoftExpired(now) != tt.soft || in.HardExpired(now) != tt.hard {
			t.Errorf("inbound at %v: %v, %v", tt.age, in.SoftExpired(now), in.HardExpired(now))
		}
		if out.SoftExpired(now) != tt.soft || out.HardExpired(now) != tt.hard {
			t.Errorf("outbound at %v: %v, %v", tt.age, out.SoftExpired(now), out.HardExpired(now))
		}
	}
	for i, want := range [][2]bool{{false, false}, {true, false}, {true, true}} {
		first, _ := out.Reserve(1)
		if got := receive(in, sealed(out, first)); got != packet.Live {
			t.Fatal(got)
		}
		if in.SoftExpired(born) != want[0] || in.HardExpired(born) != want[1] {
			t.Errorf("inbound after %d packets: %v, %v", i+1, in.SoftExpired(born), in.HardExpired(born))
		}
		if out.SoftExpired(born) != want[0] || out.HardExpired(born) != want[1] {
			t.Errorf("outbound after %d packets: %v, %v", i+1, out.SoftExpired(born), out.HardExpired(born))
		}
	}
	p = testParams(false)
	p.FirstSeq = math.MaxUint32/4*3 + 1
	if out := newOutbound(t, p); !out.SoftExpired(born) || out.HardExpired(born) {
		t.Error("with three quarters of its numbers gone an SA does not ask for a rekey")
	}
}

func TestAllows(t *testing.T) {
	a, b := netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("10.99.1.2")
	p := testParams(true)
	p.Remote = []policy.Selector{{From: a, To: a, Proto: packet.ProtoTCP, Ports: policy.Ports{Lo: 443, Hi: 443}}}
	p.Local = []policy.Selector{policy.PrefixSelector(netip.MustParsePrefix("10.99.1.0/24"))}
	in := newInbound(t, p)
	good := packet.Flow{Src: a, Dst: b, Proto: packet.ProtoTCP, SrcPort: 443, DstPort: 40000}
	if !in.Allows(&good) {
		t.Error("a packet inside both sides' selectors is refused")
	}
	for name, edit := range map[string]func(*packet.Flow){
		"other source":      func(f *packet.Flow) { f.Src = b },
		"other destination": func(f *packet.Flow) { f.Dst = a },
		"swapped":           func(f *packet.Flow) { f.Src, f.Dst = f.Dst, f.Src },
		"other protocol":    func(f *packet.Flow) { f.Proto = packet.ProtoUDP },
		"other port":        func(f *packet.Flow) { f.SrcPort = 444 },
		"fragment":          func(f *packet.Flow) { f.SrcPort, f.DstPort, f.Frag = 0, 0, true },
		"IPv6":              func(f *packet.Flow) { f.Src = netip.MustParseAddr("2001:db8::1") },
	} {
		f := good
		edit(&f)
		if in.Allows(&f) {
			t.Errorf("%s: %+v is allowed", name, f)
		}
	}
	p.Remote = []policy.Selector{policy.AddrSelector(a)}
	frag := packet.Flow{Src: a, Dst: b, Proto: packet.ProtoTCP, Frag: true}
	if !newInbound(t, p).Allows(&frag) {
		t.Error("selectors for every port refuse a fragment")
	}
	p.Local = nil
	if newInbound(t, p).Allows(&good) {
		t.Error("no selectors allow everything")
	}
}

func TestParamsRefused(t *testing.T) {
	for name, edit := range map[string]func(*Params){
		"spi 0":             func(p *Params) { p.SPI = 0 },
		"spi 255":           func(p *Params) { p.SPI = 255 },
		"no suite":          func(p *Params) { p.Suite = esp.Suite{} },
		"short key":         func(p *Params) { p.Key = p.Key[1:] },
		"unknown mode":      func(p *Params) { p.Mode = 2 },
		"window of 63":      func(p *Params) { p.Window = 63 },
		"window of 1 << 31": func(p *Params) { p.Window = 1 << 31 },
		"first number":      func(p *Params) { p.FirstSeq = 1 << 32 },
	} {
		p := testParams(false)
		edit(&p)
		_, inErr := NewInbound(p)
		_, outErr := NewOutbound(p)
		wantIn, wantOut := name != "first number", !strings.HasPrefix(name, "window")
		if (inErr != nil) != wantIn || (outErr != nil) != wantOut {
			t.Errorf("%s: inbound %v, outbound %v", name, inErr, outErr)
		}
	}
}

// TestKeyIsNotShown: neither printing nor JSON shows a key, nor does the SA keep
// the caller's slice.
func TestKeyIsNotShown(t *testing.T) {
	p := testParams(true)
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	in := newInbound(t, p)
	for _, text := range []string{string(data), fmt.Sprintf("%v %+v %#v %s %x %v", p, p, p, p, p, &p)} {
		for _, secret := range []string{"90 90", "5a5a", "WlpaWlpa", "0x5a, 0x5a", "ZZZ"} {
			if strings.Contains(text, secret) {
				t.Errorf("the key is shown in %s", text)
			}
		}
	}
	if in.Params().Key != nil {
		t.Error("the SA keeps its key")
	}
	clear(p.Key)
	clear(p.Local)
	if got := receive(in, sealed(newOutbound(t, testParams(true)), 1)); got != packet.Live {
		t.Errorf("the SA uses the caller's key: %v", got)
	}
	if !policy.Covers(in.Params().Local, netip.MustParseAddr("10.0.0.1"), 6, 1) {
		t.Error("the SA uses the caller's selectors")
	}
}

func TestAllocs(t *testing.T) {
	s := NewSAD(nil)
	p := testParams(true)
	in, out := newInbound(t, p), newOutbound(t, p)
	if err := s.Install(in); err != nil {
		t.Fatal(err)
	}
	flow := packet.Flow{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: 6}
	b := packet.NewBatch(3, 1500)
	var (
		seal esp.SealBurst
		open esp.OpenBurst
		seqs [3]uint64
		next [3]uint8
	)
	if n := testing.AllocsPerRun(100, func() {
		seq, _ := out.Reserve(len(b))
		for i, pkt := range b {
			pkt.Set(inner)
			out.Add(&seal, pkt, seq+uint64(i), packet.ProtoIPv4)
		}
		seal.Run()
		out.Count(len(b)*len(inner), len(b))
		in := s.Lookup(p.SPI)
		in.Begin(&open, b, seqs[:])
		open.Run()
		in.Finish(b, seqs[:], next[:])
		for i, pkt := range b {
			if pkt.Drop != packet.Live || next[i] != packet.ProtoIPv4 || !in.Allows(&flow) {
				t.Fatal(pkt.Drop)
			}
		}
	}); n != 0 {
		t.Errorf("a packet allocates %v times, want 0", n)
	}
}

// TestSequenceNumbers: what people are shown as an SA's number.
func TestSequenceNumbers(t *testing.T) {
	for name, first := range map[string]uint64{"from 1": 0, "from 100": 100} {
		p := testParams(true)
		p.FirstSeq = first
		o, in := newOutbound(t, p), newInbound(t, p)
		start := max(first, 1)
		if o.Last() != start-1 || in.Highest() != 0 {
			t.Errorf("%s: fresh SAs are at %d and %d", name, o.Last(), in.Highest())
		}
		o.Reserve(5)
		if o.Last() != start+4 {
			t.Errorf("%s: after 5 numbers out is at %d, want %d", name, o.Last(), start+4)
		}
		forged := sealed(o, start+9)
		forged[len(forged)-1] ^= 1
		for _, b := range [][]byte{sealed(o, start+3), sealed(o, start), forged} {
			receive(in, b)
		}
		if in.Highest() != start+3 {
			t.Errorf("%s: in is at %d, want %d, neither the newest nor the forged one", name, in.Highest(), start+3)
		}
	}
}
