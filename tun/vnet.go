package tun

import (
	"encoding/binary"

	"warren/packet"
)

// A vnet is struct virtio_net_hdr of <linux/virtio_net.h>, which is in front of
// every packet of a device that has it: flags, GSO type, and in the host's byte
// order the lengths of the headers and of a segment, and where the checksum
// starts and belongs.
type vnet [vnetLen]byte

const (
	vnetLen = 10

	needsCSUM = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM

	gsoNone  = 0
	gsoTCPv4 = 1
	gsoTCPv6 = 4
	gsoUDP   = 5 // VIRTIO_NET_HDR_GSO_UDP_L4
	gsoECN   = 0x80
)

func (h *vnet) gso() uint8     { return h[1] &^ gsoECN }
func (h *vnet) segment() int   { return int(binary.NativeEndian.Uint16(h[4:])) }
func (h *vnet) sumStart() int  { return int(binary.NativeEndian.Uint16(h[6:])) }
func (h *vnet) sumOffset() int { return int(binary.NativeEndian.Uint16(h[8:])) }

// take applies the header to the packet read behind it: a super-packet gets its
// Segment, one whose checksum was left to the device gets that. It reports false
// for what a kernel does not say.
func (h *vnet) take(p *packet.Packet) bool {
	switch h.gso() {
	case gsoNone:
		return h[0]&needsCSUM == 0 || complete(p.Bytes(), h.sumStart(), h.sumOffset())
	case gsoTCPv4, gsoTCPv6, gsoUDP:
		p.Segment = int32(h.segment())
		return p.Segment > 0
	}
	return false
}

// complete adds the sum of what is behind start to the checksum there, which
// covers the pseudo-header only.
func complete(b []byte, start, offset int) bool {
	at := start + offset
	if at+2 > len(b) {
		return false
	}
	sum := packet.Checksum(b[start:], 0)
	if sum == 0 {
		sum = 0xffff // UDP: zero would mean none; the same number for all others
	}
	binary.BigEndian.PutUint16(b[at:], sum)
	return true
}

// describe makes the header that tells the kernel to cut a run's super-packet.
func (h *vnet) describe(r *packet.Run) {
	l4, payload := r.Front()
	gso := uint8(gsoTCPv4)
	switch {
	case r.IsUDP():
		gso = gsoUDP
	case r.IsIPv6():
		gso = gsoTCPv6
	}
	h[0], h[1] = needsCSUM, gso
	binary.NativeEndian.PutUint16(h[2:], uint16(payload))
	binary.NativeEndian.PutUint16(h[4:], uint16(r.Segment))
	binary.NativeEndian.PutUint16(h[6:], uint16(l4))
	binary.NativeEndian.PutUint16(h[8:], uint16(r.SumOff()))
}
