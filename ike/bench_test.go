package ike

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"warren/sa"
)

// BenchmarkEstablish brings IKE SAs up, each with a child SA, between engines that
// hand each other their messages: each is of another client, and those before it stay. Of
// the time the responder's part is shown by itself.
func BenchmarkEstablish(b *testing.B) {
	a := acceptConfig(b)
	a.Pool = mustPool(b, "10.0.0.0/8")
	p := newPair(b, a)
	c := peerConfig(b)
	var responder time.Duration
	clients := 0
	b.ReportAllocs()
	for b.Loop() {
		clients++
		c.Layer = sa.Layer(clients)
		c.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(18 + clients>>16), byte(clients >> 8), byte(clients)}), 500)
		c.LocalID = mustID(b, fmt.Sprintf("c%d.example", clients))
		responder += p.exchange(c)
	}
	if len(p.r.in) != clients {
		b.Errorf("%d child SAs, want %d", len(p.r.in), clients)
	}
	b.ReportMetric(responder.Seconds()*1e3/float64(b.N), "responder-ms/op")
}

// exchange brings c up, and measures what of that is the responder's work.
func (p *pair) exchange(c PeerConfig) (responder time.Duration) {
	if _, err := p.i.e.Initiate(c, p.now); err != nil {
		p.t.Fatal(err)
	}
	for {
		requests := p.i.take()
		p.i.events = p.i.events[:0]
		if len(requests) == 0 {
			return responder
		}
		begin := time.Now()
		for _, d := range requests {
			p.hand(flight{p.i, p.r, d})
		}
		responses := p.r.e.Take()
		responder += time.Since(begin)
		for _, ev := range responses.Events {
			p.r.apply(ev)
		}
		for _, d := range responses.Send {
			p.hand(flight{p.r, p.i, d})
		}
	}
}
