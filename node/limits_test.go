package node

import (
	"testing"
	"time"

	"warren/ike"
	"warren/sa"
)

// TestLimitsAreSeenInTime: however fast a pair of SAs carries, it is looked at
// between its soft limit and its hard one, and a slow one no more than is needed.
func TestLimitsAreSeenInTime(t *testing.T) {
	tests := map[string]struct {
		life sa.Lifetime
		pps  int
		most int // looks
	}{
		"packets, fast":  {sa.Lifetime{SoftPackets: 100_000, HardPackets: 125_000}, 1_000_000, 20},
		"packets, slow":  {sa.Lifetime{SoftPackets: 10_000, HardPackets: 12_500}, 100, 120},
		"bytes, fast":    {sa.Lifetime{SoftBytes: 100e6, HardBytes: 125e6}, 1_000_000, 20},
		"bytes, slow":    {sa.Lifetime{SoftBytes: 1e6, HardBytes: 125e4}, 10, 120},
		"the first wins": {sa.Lifetime{SoftBytes: 1e12, HardBytes: 2e12, SoftPackets: 1000, HardPackets: 1250}, 1000, 20},
		"no limits":      {sa.Lifetime{}, 1_000_000, 101},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &child{Child: ike.Child{Lifetime: tt.life}, in: new(sa.Inbound), out: new(sa.Outbound)}
			now, began := time.Unix(1000, 0), time.Unix(1000, 0)
			soft := func(n uint64) bool {
				return tt.life.SoftPackets != 0 && n >= tt.life.SoftPackets || tt.life.SoftBytes != 0 && n*1000 >= tt.life.SoftBytes
			}
			looks := 0
			for wait := watchSoon; now.Sub(began) < 100*time.Second; wait = max(c.untilSoft(now), watchLeast) {
				now = now.Add(wait)
				n := uint64(now.Sub(began).Seconds() * float64(tt.pps))
				c.out.Packets.Store(n)
				c.out.Bytes.Store(n * 1000)
				if looks++; !soft(n) {
					continue
				}
				if tt.life.HardPackets != 0 && n >= tt.life.HardPackets || tt.life.HardBytes != 0 && n*1000 >= tt.life.HardBytes {
					t.Errorf("looked at only after %d packets", n)
				}
				break
			}
			if looks > tt.most {
				t.Errorf("%d looks, want at most %d", looks, tt.most)
			}
		})
	}
	if c := (&child{rekeyed: true, Child: ike.Child{Lifetime: sa.Lifetime{SoftPackets: 1}}}); c.untilSoft(time.Now()) != watchEvery {
		t.Error("a pair that is being replaced is in no hurry")
	}
}
