package message

import (
	"encoding/binary"
	"net/netip"
)

// A CPType is the kind of a Configuration payload (RFC 7296, Section 3.15).
type CPType uint8

// Configuration payload types.
const (
	CfgRequest CPType = 1
	CfgReply   CPType = 2
	CfgSet     CPType = 3
	CfgAck     CPType = 4
)

func (t CPType) String() string {
	var s string
	switch t {
	case CfgRequest:
		s = "CFG_REQUEST"
	case CfgReply:
		s = "CFG_REPLY"
	case CfgSet:
		s = "CFG_SET"
	case CfgAck:
		s = "CFG_ACK"
	}
	return name(s, "CFG", uint64(t))
}

// A CPAttrType names a configuration attribute (RFC 7296, Section 3.15.1).
type CPAttrType uint16

// Configuration attributes.
const (
	InternalIP4Address  CPAttrType = 1
	InternalIP4Netmask  CPAttrType = 2
	InternalIP4DNS      CPAttrType = 3
	InternalIP4NBNS     CPAttrType = 4
	InternalIP4DHCP     CPAttrType = 6
	ApplicationVersion  CPAttrType = 7
	InternalIP6Address  CPAttrType = 8
	InternalIP6DNS      CPAttrType = 10
	InternalIP6DHCP     CPAttrType = 12
	InternalIP4Subnet   CPAttrType = 13
	SupportedAttributes CPAttrType = 14
	InternalIP6Subnet   CPAttrType = 15
	InternalDNSDomain   CPAttrType = 25
)

func (t CPAttrType) String() string {
	var s string
	switch t {
	case InternalIP4Address:
		s = "INTERNAL_IP4_ADDRESS"
	case InternalIP4Netmask:
		s = "INTERNAL_IP4_NETMASK"
	case InternalIP4DNS:
		s = "INTERNAL_IP4_DNS"
	case InternalIP4NBNS:
		s = "INTERNAL_IP4_NBNS"
	case InternalIP4DHCP:
		s = "INTERNAL_IP4_DHCP"
	case ApplicationVersion:
		s = "APPLICATION_VERSION"
	case InternalIP6Address:
		s = "INTERNAL_IP6_ADDRESS"
	case InternalIP6DNS:
		s = "INTERNAL_IP6_DNS"
	case InternalIP6DHCP:
		s = "INTERNAL_IP6_DHCP"
	case InternalIP4Subnet:
		s = "INTERNAL_IP4_SUBNET"
	case SupportedAttributes:
		s = "SUPPORTED_ATTRIBUTES"
	case InternalIP6Subnet:
		s = "INTERNAL_IP6_SUBNET"
	case InternalDNSDomain:
		s = "INTERNAL_DNS_DOMAIN"
	}
	return name(s, "CP", uint64(t))
}

// CP asks for or gives configuration (RFC 7296, Section 3.15).
type CP struct {
	Kind       CPType
	Attributes []CPAttribute
}

// Type returns PayloadCP.
func (*CP) Type() PayloadType { return PayloadCP }

// A CPAttribute is one configuration attribute. An empty Value in a request
// asks for any.
type CPAttribute struct {
	Type  CPAttrType
	Value []byte
}

// CPAddress is the attribute that asks for or gives p: INTERNAL_IP4_ADDRESS or
// INTERNAL_IP6_ADDRESS. Only the latter carries the prefix length.
func CPAddress(p netip.Prefix) CPAttribute {
	a := p.Addr()
	if a.Is4() {
		return CPAttribute{Type: InternalIP4Address, Value: a.AsSlice()}
	}
	return CPAttribute{Type: InternalIP6Address, Value: append(a.AsSlice(), byte(p.Bits()))}
}

// Address is the reverse of CPAddress. It is not ok for another attribute, for
// an empty one, and for one of the wrong length.
func (a CPAttribute) Address() (p netip.Prefix, ok bool) {
	switch {
	case a.Type == InternalIP4Address && len(a.Value) == 4:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(a.Value)), 32), true
	case a.Type == InternalIP6Address && len(a.Value) == 17:
		p = netip.PrefixFrom(netip.AddrFrom16([16]byte(a.Value[:16])), int(a.Value[16]))
		return p, p.IsValid()
	}
	return netip.Prefix{}, false
}

func (r *reader) cp() *CP {
	p := &CP{Kind: CPType(r.u8())}
	r.take(3)
	for len(r.b) > 0 && r.ok() {
		if len(p.Attributes) == MaxCPAttrs {
			r.bad(ErrTooMany, r.off)
			break
		}
		a := CPAttribute{Type: CPAttrType(r.u16() &^ cpReservedBit)}
		a.Value = r.take(int(r.u16()))
		p.Attributes = append(p.Attributes, a)
	}
	return p
}

const cpReservedBit = 0x8000

func (p *CP) appendBody(b []byte) ([]byte, error) {
	if len(p.Attributes) > MaxCPAttrs {
		return b, ErrTooMany
	}
	b = append(b, byte(p.Kind), 0, 0, 0)
	for _, a := range p.Attributes {
		if len(a.Value) > 65535 {
			return b, ErrTooLong
		}
		b = binary.BigEndian.AppendUint16(b, uint16(a.Type)&^cpReservedBit)
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
		b = append(b, a.Value...)
	}
	return b, nil
}
