package dataplane

import (
	"net/netip"

	"warren/packet"
)

// answers are the ICMP errors that one batch gave rise to, written to the TUN
// together. They belong to one worker.
type answers struct {
	batch packet.Batch
	n     int
}

func newAnswers(n int) *answers { return &answers{batch: packet.NewBatch(n, 1280)} }

// next returns a packet for one more answer, nil when there have been too many
// for one batch: errors are never owed (RFC 1812, Section 4.3.2.8).
func (a *answers) next() *packet.Packet {
	if a.n == len(a.batch) {
		return nil
	}
	p := a.batch[a.n]
	p.Reset(packet.Headroom)
	return p
}

// keep makes the first n bytes of what next returned an answer; none if n is 0.
func (a *answers) keep(p *packet.Packet, n int) {
	if n > 0 && p.SetWindow(packet.Headroom, packet.Headroom+n) {
		a.n++
	}
}

// tooBig answers the packet ip, which is larger than mtu. The error seems to come
// from the packet's destination: a tunnel has no address of its own there.
func (a *answers) tooBig(ip []byte, mtu int, from netip.Addr) {
	if p := a.next(); p != nil {
		a.keep(p, len(packet.ICMPTooBig(p.Buffer()[packet.Headroom:], ip, mtu, from)))
	}
}

// unreachable answers the packet ip, whose chain has failed.
func (a *answers) unreachable(ip []byte, from netip.Addr) {
	if p := a.next(); p != nil {
		a.keep(p, len(packet.ICMPUnreachable(p.Buffer()[packet.Headroom:], ip, packet.UnreachHost, from)))
	}
}

// take returns the answers and begins anew.
func (a *answers) take() packet.Batch {
	b := a.batch[:a.n]
	a.n = 0
	return b
}
