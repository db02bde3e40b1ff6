package sa

import (
	"bytes"
	"testing"
	"time"

	"warren/esp"
	"warren/packet"
)

// TestEverySuite: packets are received once, with every suite, and short ones
// counted as runts, whatever comes in them (CASES B.1, Bindview 2002).
func TestEverySuite(t *testing.T) {
	for _, s := range esp.Suites() {
		for _, s.ESN = range []bool{false, true} {
			p := testParams(s.ESN)
			p.Suite, p.Key = s, bytes.Repeat([]byte{0x5a}, s.KeyLen())
			out, in := newOutbound(t, p), newInbound(t, p)
			first, _ := out.Reserve(3)
			for seq := first; seq < first+3; seq++ {
				b := sealed(out, seq)
				for n := range b {
					want := packet.AuthFailed
					if n < s.MinLen() {
						want = packet.Runt
					}
					if got := receive(in, b[:n]); got != want {
						t.Fatalf("%v: %d bytes of a packet: %v, want %v", s, n, got, want)
					}
				}
				for _, want := range []packet.Drop{packet.Live, packet.Replay} {
					if got := receive(in, b); got != want {
						t.Errorf("%v, number %d: %v, want %v", s, seq, got, want)
					}
				}
			}
			if n, size := in.Packets.Load(), in.Bytes.Load(); n != 3 || size != uint64(3*len(inner)) {
				t.Errorf("%v: counted %d packets, %d bytes", s, n, size)
			}
		}
	}
}

func TestLifetimeWithin(t *testing.T) {
	for name, tt := range map[string]struct {
		l    Lifetime
		most uint64
		want Lifetime
	}{
		"no limit":          {Lifetime{SoftBytes: 7, HardBytes: 9}, 0, Lifetime{SoftBytes: 7, HardBytes: 9}},
		"none of its own":   {Lifetime{HardTime: time.Hour}, 1000, Lifetime{HardTime: time.Hour, SoftBytes: 750, HardBytes: 1000}},
		"below":             {Lifetime{SoftBytes: 600, HardBytes: 900, SoftPackets: 5}, 1000, Lifetime{SoftBytes: 600, HardBytes: 900, SoftPackets: 5}},
		"above":             {Lifetime{SoftBytes: 2000, HardBytes: 3000}, 1000, Lifetime{SoftBytes: 750, HardBytes: 1000}},
		"the hard one only": {Lifetime{SoftBytes: 700, HardBytes: 3000}, 1000, Lifetime{SoftBytes: 700, HardBytes: 1000}},
	} {
		if got := tt.l.Within(tt.most); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
