package host

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// then joins the parts of an nftables rule.
func then(parts ...[]expr.Any) []expr.Any { return slices.Concat(parts...) }

func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

func drop() []expr.Any {
	return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
}

// equals compares what load puts into register 1.
func equals(load expr.Any, want []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: want}}
}

func ifname(key expr.MetaKey, name string) []expr.Any {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return equals(&expr.Meta{Key: key, Register: 1}, b)
}

// linkMulticast is what routers never forward (RFC 5771, Section 4).
func linkMulticast() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{224}), 24) }

// inSet matches IPv4 packets whose destination is in the set.
func inSet(s *nftables.Set) []expr.Any {
	return []expr.Any{
		&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4, DestRegister: 1},
		&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID},
	}
}

func srcPrefix(p netip.Prefix) []expr.Any {
	if p.Addr().Is4() {
		return inPrefix(p, unix.NFPROTO_IPV4, 12)
	}
	return inPrefix(p, unix.NFPROTO_IPV6, 8)
}

func dstPrefix(p netip.Prefix) []expr.Any {
	if p.Addr().Is4() {
		return inPrefix(p, unix.NFPROTO_IPV4, 16)
	}
	return inPrefix(p, unix.NFPROTO_IPV6, 24)
}

// inPrefix matches packets of an IP version whose address at off is in p.
func inPrefix(p netip.Prefix, version byte, off uint32) []expr.Any {
	n := uint32(p.Addr().BitLen() / 8)
	addr := []expr.Any{&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: off, Len: n, DestRegister: 1}}
	if p.Bits() < p.Addr().BitLen() {
		addr = append(addr, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: n, Mask: ipNet(p).Mask, Xor: make([]byte, n)})
	}
	return then(
		equals(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{version}),
		addr,
		[]expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()}},
	)
}

func jump(chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}
}

// protocol reads the header and not the socket, which IP_HDRINCL makes differ.
func protocol(p uint8) []expr.Any {
	return equals(&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: 9, Len: 1, DestRegister: 1}, []byte{p})
}

func portRange(off uint32, p Ports) []expr.Any {
	if p.Any() {
		return nil
	}
	return []expr.Any{
		&expr.Payload{Base: expr.PayloadBaseTransportHeader, Offset: off, Len: 2, DestRegister: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: 1,
			FromData: binary.BigEndian.AppendUint16(nil, p.Lo), ToData: binary.BigEndian.AppendUint16(nil, p.Hi)},
	}
}

func laterFragment() []expr.Any {
	return []expr.Any{
		&expr.Payload{Base: expr.PayloadBaseNetworkHeader, Offset: 6, Len: 2, DestRegister: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0x1f, 0xff}, Xor: []byte{0, 0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0, 0}},
	}
}
