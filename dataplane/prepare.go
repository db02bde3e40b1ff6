package dataplane

import (
	"warren/esp"
	"warren/nest"
	"warren/packet"
)

// prepare makes p fit to be sealed by bundle: within the chain's MTU, with an
// MSS that keeps the answers there, and from the address that the chain leased.
// It reports false where p is too big as it is.
func prepare(p *packet.Packet, bundle *nest.Bundle) (fits bool) {
	if p.Len() > int(bundle.MTU) {
		return false
	}
	if isSYN(p) {
		packet.ClampMSS(p.Bytes(), int(bundle.MTU))
	}
	translateSource(p, bundle)
	return true
}

// isSYN reports whether p opens a TCP connection, or answers to that.
func isSYN(p *packet.Packet) bool {
	const flags, syn = 13, 0x02
	at := p.Info.HeaderLen + flags
	return p.Flow.Proto == packet.ProtoTCP && p.Len() > at && p.Bytes()[at]&syn != 0
}

// translateSource replaces the node's own address by the chain's, one to one
// and without state (DESIGN, section 4).
func translateSource(p *packet.Packet, bundle *nest.Bundle) {
	to := bundle.Translate(p.Flow.Src)
	if to == p.Flow.Src {
		return
	}
	if !packet.ReplaceAddr(p.Bytes(), true, to) {
		p.Drop = packet.Malformed
		return
	}
	translateQuote(p, quotedDst, p.Flow.Src, to)
	p.Flow.Src = to
}

// mayFragment reports whether p may be cut into fragments before it is sealed:
// an IPv4 packet without DF, in tunnel mode (RFC 4303, Section 3.3.4).
func mayFragment(p *packet.Packet, bundle *nest.Bundle) bool {
	return !p.Info.DF && !isIPv6(p.Bytes()) && bundle.Layers[0].Mode == esp.Tunnel
}
