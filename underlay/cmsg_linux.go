package underlay

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ancillary is what control messages say about a datagram.
type ancillary struct {
	local   netip.Addr
	tos     uint8
	segment int // of a run coalesced by UDP_GRO; zero for a single datagram
}

const cmsgHeaderLen = 16 // struct cmsghdr of 64-bit Linux: length, level, type

// parseControl reads the control messages that sockets of this package ask for.
// It is not x/sys's parser because that one allocates.
func parseControl(oob []byte) (a ancillary) {
	for len(oob) >= cmsgHeaderLen {
		n := binary.NativeEndian.Uint64(oob)
		if n < cmsgHeaderLen || n > uint64(len(oob)) {
			return a
		}
		level, typ := binary.NativeEndian.Uint32(oob[8:]), binary.NativeEndian.Uint32(oob[12:])
		a.read(level, typ, oob[cmsgHeaderLen:n])
		oob = oob[min(align8(int(n)), len(oob)):]
	}
	return a
}

func (a *ancillary) read(level, typ uint32, data []byte) {
	switch {
	case level == unix.IPPROTO_IP && typ == unix.IP_PKTINFO && len(data) >= 12:
		a.local = netip.AddrFrom4([4]byte(data[8:12])) // ipi_addr
	case level == unix.IPPROTO_IPV6 && typ == unix.IPV6_PKTINFO && len(data) >= 16:
		a.local = netip.AddrFrom16([16]byte(data[:16]))
	case level == unix.IPPROTO_IP && typ == unix.IP_TOS && len(data) >= 1:
		a.tos = data[0]
	case level == unix.IPPROTO_IPV6 && typ == unix.IPV6_TCLASS && len(data) >= 4:
		a.tos = uint8(binary.NativeEndian.Uint32(data))
	case level == unix.IPPROTO_UDP && typ == unix.UDP_GRO && len(data) >= 4:
		a.segment = int(binary.NativeEndian.Uint32(data))
	}
}

// putControl writes to oob what sendmsg is to be told, and returns its length.
func putControl(oob []byte, v6 bool, a ancillary) int {
	n := 0
	if a.local.IsValid() && !a.local.IsUnspecified() {
		n += putPktinfo(oob[n:], a.local)
	}
	if v6 {
		n += putInt(oob[n:], unix.IPPROTO_IPV6, unix.IPV6_TCLASS, uint32(a.tos))
	} else {
		n += putInt(oob[n:], unix.IPPROTO_IP, unix.IP_TOS, uint32(a.tos))
	}
	if a.segment > 0 {
		data := putHeader(oob[n:], unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(data, uint16(a.segment))
		n += cmsgHeaderLen + align8(2)
	}
	return n
}

func putPktinfo(oob []byte, local netip.Addr) int {
	if local.Is4() { // struct in_pktinfo: ifindex, spec_dst, addr
		data := putHeader(oob, unix.IPPROTO_IP, unix.IP_PKTINFO, 12)
		clear(data)
		a := local.As4()
		copy(data[4:8], a[:])
		return cmsgHeaderLen + align8(12)
	}
	data := putHeader(oob, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, 20)
	clear(data)
	a := local.As16()
	copy(data, a[:])
	return cmsgHeaderLen + align8(20)
}

func putInt(oob []byte, level, typ, v uint32) int {
	binary.NativeEndian.PutUint32(putHeader(oob, level, typ, 4), v)
	return cmsgHeaderLen + align8(4)
}

// putHeader writes the header of a control message and returns where its n
// bytes of data go.
func putHeader(oob []byte, level, typ uint32, n int) []byte {
	binary.NativeEndian.PutUint64(oob, uint64(cmsgHeaderLen+n))
	binary.NativeEndian.PutUint32(oob[8:], level)
	binary.NativeEndian.PutUint32(oob[12:], typ)
	return oob[cmsgHeaderLen : cmsgHeaderLen+n]
}

func align8(n int) int { return (n + 7) &^ 7 }
