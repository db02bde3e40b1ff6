package dataplane

import (
	"encoding/binary"

	"warren/esp"
	"warren/nest"
	"warren/packet"
	"warren/sa"
)

// A sealing is one layer's part in sealing a run: one ESP encapsulation a packet
// (RFC 4303, Section 3.3).
type sealing struct {
	layer
	out            *sa.Outbound
	seq            uint64 // the next number
	left           int    // numbers reserved
	packets, bytes int    // sealed
}

// layer is a layer of a bundle with its place in it.
type layer struct {
	*nest.BundleLayer
	outermost bool // the underlay adds its outer header
}

// A sealer puts packets through the layers of a bundle. It belongs to one worker.
type sealer struct {
	layers []sealing
	burst  esp.SealBurst
}

// seal puts the live packets of b through the layers of their bundle, in place,
// and addresses them for the underlay: one packet after the other, each innermost
// layer first while it is in the cache, a burst of them at once. A packet's window
// is an IP packet of Info's shape before, and what the underlay carries after,
// but for some encryption: finish does what is left.
func (s *sealer) seal(b packet.Batch, bundle *nest.Bundle) {
	kind := packet.KindESP
	if bundle.Encap == packet.EncapUDP {
		kind = packet.KindESPinUDP
	}
	for _, p := range b {
		p.Kind, p.Ends, p.TOS = kind, bundle.Ends, p.Info.TOS
	}
	if !s.reserve(b, bundle) {
		return
	}
	for rest := s.layers; len(rest) > 0; {
		n := pass(rest)
		s.sealPass(b, rest[:n])
		rest = rest[n:]
	}
	s.count()
	clear(s.layers) // an SA that goes is not kept here, nor its key
}

// finish encrypts what is staged.
func (s *sealer) finish() { s.burst.Run() }

// pass is how many of the layers can be put around a packet before any of them
// is encrypted.
func pass(layers []sealing) int {
	for i := range layers {
		if layers[i].sums() {
			return i + 1
		}
	}
	return len(layers)
}

// sealPass puts the live packets of b through layers.
func (s *sealer) sealPass(b packet.Batch, layers []sealing) {
	for _, p := range b {
		for i := range layers {
			if p.Drop == packet.Live {
				layers[i].seal(&s.burst, p)
			}
		}
	}
	if layers[len(layers)-1].sums() {
		s.burst.Run()
		for _, p := range b {
			sumUDP(p)
		}
	}
}

// reserve takes the sequence numbers that b needs from the SAs of all layers. It
// refuses b and reports false where a layer has none.
func (s *sealer) reserve(b packet.Batch, bundle *nest.Bundle) bool {
	live := 0
	for _, p := range b {
		if p.Drop == packet.Live {
			live++
		}
	}
	s.layers = s.layers[:0]
	for i := range bundle.Layers {
		l := layer{&bundle.Layers[i], i+1 == len(bundle.Layers)}
		out := l.Link.Out.Load()
		if out == nil {
			refuse(b, packet.ChainDown)
			return false
		}
		s.layers = append(s.layers, sealing{layer: l, out: out})
	}
	for i := range s.layers {
		l := &s.layers[i]
		l.seq, l.left = l.out.Reserve(live)
	}
	return true
}

// count adds what was sealed, once a run.
func (s *sealer) count() {
	for i := range s.layers {
		l := &s.layers[i]
		l.out.Count(l.bytes, l.packets)
		l.Link.PacketsOut.Add(uint64(l.packets))
		l.Link.BytesOut.Add(uint64(l.bytes))
	}
}

// seal encapsulates one live packet.
func (l *sealing) seal(b *esp.SealBurst, p *packet.Packet) {
	if l.left == 0 {
		p.Drop = l.out.Refusal()
		return
	}
	n := p.Len()
	sealOne(b, p, &l.layer, l.out, l.seq)
	l.seq++
	l.left--
	if p.Drop == packet.Live {
		l.packets++
		l.bytes += n
	}
}

// refuse marks what is live in b.
func refuse(b packet.Batch, why packet.Drop) {
	for _, p := range b {
		if p.Drop == packet.Live {
			p.Drop = why
		}
	}
}

// sealOne encapsulates one packet with the sequence number seq.
func sealOne(b *esp.SealBurst, p *packet.Packet, l *layer, out *sa.Outbound, seq uint64) {
	if l.Mode == esp.Transport {
		sealTransport(b, p, l, out, seq)
		return
	}
	next := uint8(packet.ProtoIPv4)
	if isIPv6(p.Bytes()) {
		next = packet.ProtoIPv6
	}
	out.Add(b, p, seq, next)
	putOuter(p, l, seq)
}

// putOuter writes the layer's ready-made header before an ESP packet and patches
// what differs from packet to packet. TOS: RFC 6040, Section 4.1.
func putOuter(p *packet.Packet, l *layer, seq uint64) {
	p.TOS = packet.OuterTOS(p.TOS)
	if p.Drop != packet.Live || len(l.Header) == 0 {
		return
	}
	if !p.Grow(len(l.Header), 0) {
		p.Drop = packet.NoRoom
		return
	}
	ip := p.Bytes()
	packet.Stamp(ip, l.Header, p.TOS, uint16(seq))
	if l.Encap == packet.EncapUDP {
		patchUDP(ip, len(l.Header)-packet.UDPHeaderLen)
	}
}

// patchUDP sets the length of the UDP header at offset at. The checksum stays
// zero: over IPv6, sumUDP follows.
func patchUDP(ip []byte, at int) {
	binary.BigEndian.PutUint16(ip[at+4:], uint16(len(ip)-at))
}

// sums reports whether the layer's outer header has a checksum of what is sealed:
// that of UDP over IPv6, without which sockets refuse it (RFC 6935 allows zero
// only where the receiver has been told).
func (l *layer) sums() bool {
	return !l.outermost && l.Encap == packet.EncapUDP && l.Dst.Is6()
}

// sumUDP fills in the checksum of the UDP packet in p.
func sumUDP(p *packet.Packet) {
	if p.Drop == packet.Live {
		packet.SetUDPChecksum(p.Bytes())
	}
}

func isIPv6(ip []byte) bool { return ip[0]>>4 == 6 }

// sealTransport protects what is behind the IP header (RFC 4303, Section
// 3.1.1). Fragments cannot be protected so (Section 3.3.4), and options and
// extension headers are not implemented.
func sealTransport(b *esp.SealBurst, p *packet.Packet, l *layer, out *sa.Outbound, seq uint64) {
	plain := packet.IPv4HeaderLen
	if isIPv6(p.Bytes()) {
		plain = packet.IPv6HeaderLen
	}
	switch {
	case p.Info.Fragment:
		p.Drop = packet.Fragment
		return
	case p.Info.HeaderLen != plain:
		p.Drop = packet.BadNextHeader
		return
	}
	var saved [packet.IPv6HeaderLen]byte
	header := saved[:copy(saved[:plain], p.Bytes())]
	p.TrimFront(plain)
	out.Add(b, p, seq, p.Flow.Proto)
	if p.Drop != packet.Live {
		return
	}
	if !l.outermost {
		restoreHeader(p, l, header)
	}
}

// restoreHeader puts the IP header of a packet back before its ESP, and UDP
// between where the layer wants it.
func restoreHeader(p *packet.Packet, l *layer, header []byte) {
	proto := uint8(packet.ProtoESP)
	udp := p.Prepend(len(l.Header))
	ip := p.Prepend(len(header))
	if udp == nil || ip == nil {
		p.Drop = packet.NoRoom
		return
	}
	if copy(udp, l.Header) > 0 {
		proto = packet.ProtoUDP
	}
	copy(ip, header)
	setProto(ip, proto)
	ip = p.Bytes()
	packet.SetLen(ip, len(ip))
	if proto == packet.ProtoUDP {
		patchUDP(ip, len(header))
	}
}

// setProto changes the protocol in an IP header without extensions.
func setProto(ip []byte, proto uint8) {
	if isIPv6(ip) {
		ip[6] = proto
		return
	}
	from := binary.BigEndian.Uint16(ip[8:])
	ip[9] = proto
	sum := packet.UpdateChecksum16(binary.BigEndian.Uint16(ip[10:]), from, binary.BigEndian.Uint16(ip[8:]))
	binary.BigEndian.PutUint16(ip[10:], sum)
}
