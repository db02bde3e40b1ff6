package node

import (
	"time"

	"warren/esp"
	"warren/sa"
)

func (n *Node) checkLimits(spi esp.SPI, c *child, now time.Time) {
	if c.ended {
		return
	}
	if c.out.HardExpired(now) || c.in.HardExpired(now) {
		c.ended = true
		n.log.Warn("child SA reached its hard limit", "peer", c.Name, "spi_in", spi)
		c.in.Retire()
		c.out.Retire()
		n.try("delete child", n.ike.DeleteChild(c.session, spi, now))
		return
	}
	if !c.rekeyed && (c.out.SoftExpired(now) || c.in.SoftExpired(now)) {
		c.rekeyed = true
		n.try("rekey child", n.ike.RekeyChild(c.session, spi, now))
	}
}

// A look is what an SA had carried at some time.
type look struct {
	at             time.Time
	bytes, packets uint64
}

// untilSoft is how long a pair of SAs is at least out of reach of its limits of
// bytes and packets: at the rate since the last look, half the time that is left
// to the soft ones. A pair that is new may be at any rate, so it is looked at
// soon; one whose rekey was asked for needs no hurry any more.
func (c *child) untilSoft(now time.Time) time.Duration {
	l := c.Lifetime
	if c.rekeyed || l.SoftBytes == 0 && l.SoftPackets == 0 {
		return watchEvery
	}
	return min(c.in1.until(l, &c.in.Counters, now), c.out1.until(l, &c.out.Counters, now))
}

// until looks at an SA with soft limits l, and is untilSoft for it.
func (k *look) until(l sa.Lifetime, c *sa.Counters, now time.Time) time.Duration {
	old := *k
	*k = look{now, c.Bytes.Load(), c.Packets.Load()}
	if old.at.IsZero() {
		return watchSoon
	}
	past := now.Sub(old.at)
	return min(half(past, k.bytes-old.bytes, k.bytes, l.SoftBytes),
		half(past, k.packets-old.packets, k.packets, l.SoftPackets))
}

// half is half the time until n, which grew by so much in the time past, is at
// limit, where there is one.
func half(past time.Duration, grown, n, limit uint64) time.Duration {
	if limit == 0 || grown == 0 {
		return watchEvery
	}
	if n >= limit {
		return 0
	}
	return min(watchEvery, time.Duration(float64(past)/2*float64(limit-n)/float64(grown)))
}
