package dataplane

import (
	"fmt"
	"testing"

	"warren/esp"
	"warren/nest"
	"warren/packet"
)

// largest is the suite that puts most around a packet.
var largest = esp.Suite{Cipher: esp.AES256CBC, Integ: esp.HMACSHA512, ESN: true}

// mixed are suites of different lengths, for the layers of one chain.
var mixed = []esp.Suite{
	largest, {Cipher: esp.AES128GCM8}, {Cipher: esp.AES128CBC, Integ: esp.HMACSHA256}, {Cipher: esp.AES192GCM12, ESN: true},
}

// TestMixedSuites sends packets both ways through a chain whose layers have
// different suites, in every order: small ones, and as large as its MTU.
func TestMixedSuites(t *testing.T) {
	for turn := range mixed {
		suites := append(mixed[turn:len(mixed):len(mixed)], mixed[:turn]...)
		for _, v6 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, inner IPv6 %v", suites, v6), func(t *testing.T) {
				p := newMixed(t, 2, suites, nests["three tunnels and transport"]...)
				p.start()
				a, b := p.ends(v6)
				mtu := int(p.a.bundle.MTU)
				want := nest.OuterMTU(1500)
				for i, l := range p.specs {
					want = want.Inner(nest.Wrapping{Mode: l.mode, Suite: suites[i], Encap: l.encap, IPv6: l.v6}).Outer()
				}
				if mtu != int(want) {
					t.Errorf("mtu %d, want %d", mtu, want)
				}
				for i, size := range []int{60, 61, 512, mtu - 1, mtu} {
					exchange(t, p.a, p.b, datagram(a, b, size, byte(i)))
					exchange(t, p.b, p.a, datagram(b, a, size, byte(i+9)))
				}
				p.a.dev.Inject(datagram(a, b, mtu+1, 1))
				p.a.settled(func(c Counters) bool { return c.ToNetwork == 5 && c.Out[packet.TooBig] == 1 })
				p.b.settled(func(c Counters) bool { return c.ToTUN == 5 && c.ToNetwork == 5 })
			})
		}
	}
}

// TestSuiteAllocs: no suite takes memory for a packet.
func TestSuiteAllocs(t *testing.T) {
	if raced {
		t.Skip("a sync.Pool forgets at random")
	}
	for _, s := range esp.Suites() {
		x := newBenchWith(newMixed(t, 1, []esp.Suite{s, mixed[2]}, nests["two tunnels"]...), 1000)
		n := testing.AllocsPerRun(20, func() {
			x.keep()
			x.seal()
			x.open()
		})
		if n != 0 {
			t.Errorf("%v: a batch allocates %v times, want 0", s, n)
		}
		if c := x.pair.b.dp.Counters(); c.ToTUN != 21*batchLen {
			t.Errorf("%v: %d packets delivered, want %d; drops %v", s, c.ToTUN, 21*batchLen, x.pair.b.dp.Drops())
		}
	}
}
