package packet

import "net/netip"

// Parse sets Flow and Info to what ParseFlow finds in the window, or Drop where
// the packet is none that this node can carry.
func (p *Packet) Parse() {
	if !p.parseUsual4() && !p.parseUsual6() {
		p.Flow, p.Info, p.Drop = ParseFlow(p.Bytes())
	}
}

// usualL4 is how much of the next header there is to be: both ports.
const usualL4 = 4

// parseUsual4 does for IPv4 packets without options that are no fragments, as most
// are, what ParseFlow does for all, in place and in a fraction of the time. It
// reports false for others, and where something is wrong.
func (p *Packet) parseUsual4() bool {
	b := p.Bytes()
	if len(b) < IPv4HeaderLen+usualL4 || b[0] != 0x45 || be16(b[6:])&0x3fff != 0 {
		return false
	}
	total := int(be16(b[2:]))
	if total < IPv4HeaderLen+usualL4 || total > len(b) {
		return false
	}
	f := &p.Flow
	f.Src, f.Dst, f.Proto = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[9]
	f.setPorts(b[IPv4HeaderLen:])
	p.Info.usual(IPv4HeaderLen, total, b[6]&0x40 != 0, b[1])
	return true
}

// parseUsual6 is parseUsual4 for IPv6 packets without extension headers.
func (p *Packet) parseUsual6() bool {
	b := p.Bytes()
	if len(b) < IPv6HeaderLen+usualL4 || b[0]>>4 != 6 || IsExtension(b[6]) {
		return false
	}
	total := IPv6HeaderLen + int(be16(b[4:]))
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if total < IPv6HeaderLen+usualL4 || total > len(b) || src.Is4In6() || dst.Is4In6() {
		return false
	}
	f := &p.Flow
	f.Src, f.Dst, f.Proto = src, dst, b[6]
	f.setPorts(b[IPv6HeaderLen:])
	p.Info.usual(IPv6HeaderLen, total, true, b[0]<<4|b[1]>>4)
	return true
}

// usual sets what is known of a packet that is no fragment, field by field: a whole
// Info would be made elsewhere and copied, in parts that the processor waits for.
func (i *Info) usual(header, total int, df bool, tos uint8) {
	i.HeaderLen, i.TotalLen, i.DF, i.TOS = header, total, df, tos
	i.Fragment, i.FirstFragment = false, false
}

// setPorts takes the ports from the front of l4, where the protocol has any.
func (f *Flow) setPorts(l4 []byte) {
	f.Frag, f.SrcPort, f.DstPort = false, 0, 0
	if hasPorts(f.Proto) {
		f.SrcPort, f.DstPort = be16(l4), be16(l4[2:])
	}
}

// IsExtension reports whether proto is an extension header that ParseFlow looks behind.
func IsExtension(proto uint8) bool {
	switch proto {
	case ProtoHopByHop, ProtoRouting, ProtoDestOpts, ProtoFragment:
		return true
	}
	return false
}
