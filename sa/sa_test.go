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

	"pgregory.net/rapid"

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
	if !in.Allows(good) {
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
		if in.Allows(f) {
			t.Errorf("%s: %+v is allowed", name, f)
		}
	}
	p.Remote = []policy.Selector{policy.AddrSelector(a)}
	frag := packet.Flow{Src: a, Dst: b, Proto: packet.ProtoTCP, Frag: true}
	if !newInbound(t, p).Allows(frag) {
		t.Error("selectors for every port refuse a fragment")
	}
	p.Local = nil
	if newInbound(t, p).Allows(good) {
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

func TestSAD(t *testing.T) {
	s := NewSAD(nil)
	p := testParams(true)
	spi, err := s.Reserve()
	if err != nil || spi <= esp.MaxReservedSPI || s.Len() != 0 || s.Reserved() != 1 {
		t.Fatalf("reserved %v, %v, len %d", spi, err, s.Len())
	}
	p.SPI = spi
	in := newInbound(t, p)
	if s.Lookup(spi) != nil || s.Remove(spi) != nil {
		t.Error("a reservation is found")
	}
	if err := s.Install(in); err != nil || s.Lookup(spi) != in || s.Len() != 1 || s.Reserved() != 0 {
		t.Fatalf("installed: %v, %v, len %d", err, s.Lookup(spi), s.Len())
	}
	if s.Lookup(spi^1<<31) != nil || s.Lookup(0) != nil {
		t.Error("another SPI finds the SA")
	}
	if err := s.Install(in); err == nil {
		t.Error("installed twice")
	}
	s.Release(spi) // it is installed: nothing to release
	if s.Lookup(spi) != in || s.Len() != 1 {
		t.Error("Release removed an installed SA")
	}
	if s.Remove(spi) != in || s.Lookup(spi) != nil || s.Len() != 0 || s.Remove(spi) != nil {
		t.Error("not removed once")
	}
	if err := s.Install(in); err != nil { // not reserved, and free
		t.Error(err)
	}
	p.SPI = spi ^ 1<<31 // the same slot
	if err := s.Install(newInbound(t, p)); err == nil || s.Lookup(spi) != in {
		t.Error("an SA took the slot of another")
	}
}

// zeros is a source of randomness that is broken.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestSADBrokenRandomness(t *testing.T) {
	if spi, err := NewSAD(zeros{}).Reserve(); err == nil {
		t.Errorf("reserved %v", spi)
	}
	if spi, err := NewSAD(strings.NewReader("abc")).Reserve(); err == nil {
		t.Errorf("reserved %v", spi)
	}
}

// TestSADModel holds the SAD to a map, through growth.
func TestSADModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := NewSAD(nil)
		installed := make(map[esp.SPI]*Inbound)
		var reserved []esp.SPI
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 400).Draw(r, "steps")
		for _, step := range steps {
			switch {
			case step < 6:
				spi, err := s.Reserve()
				if err != nil {
					r.Fatal(err)
				}
				if installed[spi] != nil {
					r.Fatalf("%v is in use", spi)
				}
				reserved = append(reserved, spi)
			case step < 8 && len(reserved) > 0:
				in := &Inbound{params: Params{SPI: reserved[0]}}
				if err := s.Install(in); err != nil {
					r.Fatal(err)
				}
				installed[reserved[0]] = in
				reserved = reserved[1:]
			case step == 8 && len(reserved) > 0:
				s.Release(reserved[0])
				reserved = reserved[1:]
			case step == 9:
				for spi, in := range installed {
					if s.Remove(spi) != in {
						r.Fatalf("%v is not removed", spi)
					}
					delete(installed, spi)
					break
				}
			}
		}
		if s.Len() != len(installed) || s.Reserved() != len(reserved) || len(s.All()) != len(installed) {
			r.Fatalf("%d installed, %d reserved, %d in all, want %d and %d", s.Len(), s.Reserved(), len(s.All()), len(installed), len(reserved))
		}
		if 2*s.count > len(s.taken) {
			r.Fatalf("%d of %d slots are taken", s.count, len(s.taken))
		}
		if slots := takenSlots(s); slots != s.count {
			r.Fatalf("%d slots are taken, the count is %d", slots, s.count)
		}
		for spi, in := range installed {
			if s.Lookup(spi) != in {
				r.Fatalf("%v is not found", spi)
			}
		}
		for _, spi := range reserved {
			if s.Lookup(spi) != nil {
				r.Fatalf("%v is found before it is installed", spi)
			}
		}
	})
}

func takenSlots(s *SAD) (n int) {
	for _, taken := range s.taken {
		if taken {
			n++
		}
	}
	return n
}

// TestSADGrowth: reservations keep their slots while the table doubles.
func TestSADGrowth(t *testing.T) {
	const n = 1000
	s := NewSAD(nil)
	var spis []esp.SPI
	for range n {
		spi, err := s.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		spis = append(spis, spi)
	}
	if got := takenSlots(s); got != n || s.Reserved() != n || len(s.taken) != 2048 {
		t.Errorf("%d of %d slots taken for %d reservations", got, len(s.taken), s.Reserved())
	}
	for _, spi := range spis {
		if err := s.Install(&Inbound{params: Params{SPI: spi}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, spi := range spis {
		if in := s.Remove(spi); in == nil || in.SPI() != spi {
			t.Errorf("%v is not there", spi)
		}
	}
	if got := takenSlots(s); got != 0 || s.Len() != 0 {
		t.Errorf("%d slots taken, %d SAs", got, s.Len())
	}
}

// TestSADConcurrent: readers see an installed SA all the time the table grows.
func TestSADConcurrent(t *testing.T) {
	s := NewSAD(nil)
	spi, err := s.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	in := &Inbound{params: Params{SPI: spi}}
	if err := s.Install(in); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if s.Lookup(spi) != in {
					t.Error("an installed SA is not found")
					return
				}
			}
		})
	}
	for range 2000 {
		spi, err := s.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Install(&Inbound{params: Params{SPI: spi}}); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
}

func TestAllocs(t *testing.T) {
	s := NewSAD(nil)
	p := testParams(true)
	in, out := newInbound(t, p), newOutbound(t, p)
	if err := s.Install(in); err != nil {
		t.Fatal(err)
	}
	flow := packet.Flow{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: 6}
	pkt := packet.New(1500)
	if n := testing.AllocsPerRun(100, func() {
		pkt.Set(inner)
		seq, _ := out.Reserve(1)
		out.Seal(pkt, seq, packet.ProtoIPv4)
		out.Count(len(inner), 1)
		if _, ok := s.Lookup(p.SPI).Open(pkt); !ok || !in.Allows(flow) {
			t.Fatal(pkt.Drop)
		}
	}); n != 0 {
		t.Errorf("a packet allocates %v times, want 0", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	s := NewSAD(nil)
	var spi esp.SPI
	for range 10_000 {
		spi, _ = s.Reserve()
		_ = s.Install(&Inbound{params: Params{SPI: spi}})
	}
	for b.Loop() {
		if s.Lookup(spi) == nil {
			b.Fatal(spi)
		}
	}
}
