package dataplane

import (
	"encoding/binary"

	"warren/packet"
)

const (
	moreFragments = 0x2000
	offsetMask    = 0x1fff
)

// fragment cuts the IPv4 packet p into fragments of at most mtu bytes
// (RFC 791, Section 3.2): p becomes the first, the others go to the front of
// spare. It returns how many of spare it used, and false, with p unchanged, where
// there are too few or nothing fits. Options are copied to every fragment.
func fragment(p *packet.Packet, mtu int, spare packet.Batch) (used int, ok bool) {
	ip := p.Bytes()
	header := int(ip[0]&0xf) * 4
	step := (min(mtu, spareLen) - header) &^ 7
	if step < 8 {
		return 0, false
	}
	payload := ip[header:]
	if need := (len(payload)+step-1)/step - 1; need > len(spare) {
		return 0, false
	}
	field := binary.BigEndian.Uint16(ip[6:])
	last, offset := field&moreFragments, field&offsetMask
	for at := step; at < len(payload); at += step {
		f := spare[used]
		used++
		f.Set(ip[:header])
		end, more := at+step, uint16(moreFragments)
		if end >= len(payload) {
			end, more = len(payload), last
		}
		copy(f.Append(end-at), payload[at:end])
		setFragment(f.Bytes(), more|(offset+uint16(at/8)))
		f.Parse()
	}
	p.TrimBack(len(payload) - step)
	setFragment(p.Bytes(), moreFragments|offset)
	p.Info.Fragment, p.Info.TotalLen = true, p.Len()
	return used, true
}

// setFragment writes the flags and offset of an IPv4 header, and its length.
func setFragment(ip []byte, field uint16) {
	from := binary.BigEndian.Uint16(ip[6:])
	binary.BigEndian.PutUint16(ip[6:], field)
	sum := packet.UpdateChecksum16(binary.BigEndian.Uint16(ip[10:]), from, field)
	binary.BigEndian.PutUint16(ip[10:], sum)
	packet.SetLen(ip, len(ip))
}
