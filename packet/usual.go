package packet

import "net/netip"

// Parse sets Flow and Info to what ParseFlow finds in the window, or Drop where
// the packet is none that this node can carry.
func (p *Packet) Parse() {
	if !p.parseUsual() {
		p.Flow, p.Info, p.Drop = ParseFlow(p.Bytes())
	}
}

// parseUsual does for an IPv4 packet without options that is no fragment, as
// most are, what ParseFlow does for all, in place and in a third of the time. It
// reports false where it is not that or something is wrong with it.
func (p *Packet) parseUsual() bool {
	const l4 = IPv4HeaderLen
	b := p.Bytes()
	if len(b) < l4+4 || b[0] != 0x45 || be16(b[6:])&0x3fff != 0 {
		return false
	}
	total := int(be16(b[2:]))
	if total < l4+4 || total > len(b) {
		return false
	}
	f := &p.Flow
	f.Src, f.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	f.Proto, f.Frag, f.SrcPort, f.DstPort = b[9], false, 0, 0
	if hasPorts(f.Proto) {
		f.SrcPort, f.DstPort = be16(b[l4:]), be16(b[l4+2:])
	}
	p.Info = Info{HeaderLen: l4, TotalLen: total, DF: b[6]&0x40 != 0, TOS: b[1]}
	return true
}
