package message

import (
	"encoding/binary"
	"net/netip"
)

// A TSType says how the addresses of a selector are written (RFC 7296, Section
// 3.13.1).
type TSType uint8

// Traffic selector types.
const (
	TSIPv4Range TSType = 7
	TSIPv6Range TSType = 8
)

func (t TSType) String() string {
	var s string
	switch t {
	case TSIPv4Range:
		s = "TS_IPV4_ADDR_RANGE"
	case TSIPv6Range:
		s = "TS_IPV6_ADDR_RANGE"
	}
	return name(s, "TS", uint64(t))
}

// TS is the traffic of one side (RFC 7296, Section 3.13).
type TS struct {
	Responder bool // TSr instead of TSi
	Selectors []Selector
}

// Type returns PayloadTSi or PayloadTSr.
func (p *TS) Type() PayloadType {
	if p.Responder {
		return PayloadTSr
	}
	return PayloadTSi
}

// A Selector is one range of addresses and ports. For ICMP the ports are type
// and code (RFC 7296, Section 3.13.1).
type Selector struct {
	From, To  netip.Addr // both ends belong to the range; invalid in an unknown selector
	Proto     uint8      // 0 is any
	StartPort uint16
	EndPort   uint16

	Unknown TSType // a type that is neither IPv4 nor IPv6 range, else 0
	Raw     []byte // what follows the length field of an unknown selector
}

// OpaquePorts reports whether the selector is for packets whose ports are not
// known, like non-first fragments: it starts at 65535 and ends at 0.
func (s Selector) OpaquePorts() bool { return s.StartPort == 65535 && s.EndPort == 0 }

const (
	selectorHead = 4 // type, protocol, length
)

func (r *reader) ts(responder bool) *TS {
	p, at := &TS{Responder: responder}, r.off
	n := int(r.u8())
	r.take(3)
	for len(r.b) > 0 && r.ok() {
		if len(p.Selectors) == n {
			r.bad(ErrCount, at)
			break
		}
		p.Selectors = append(p.Selectors, r.selector())
	}
	if n == 0 || n != len(p.Selectors) {
		r.bad(ErrCount, at)
	}
	return p
}

func (r *reader) selector() Selector {
	at := r.off
	t, proto := TSType(r.u8()), r.u8()
	body := r.sub(int(r.u16()), selectorHead)
	size := 4
	switch t {
	case TSIPv4Range:
	case TSIPv6Range:
		size = 16
	default:
		return body.unknownSelector(t, proto, at)
	}
	s := Selector{Proto: proto, StartPort: body.u16(), EndPort: body.u16()}
	s.From, _ = netip.AddrFromSlice(body.take(size))
	s.To, _ = netip.AddrFromSlice(body.take(size))
	body.end()
	if s.From.Compare(s.To) > 0 || s.StartPort > s.EndPort && !s.OpaquePorts() {
		r.bad(ErrRange, at)
	}
	return s
}

func (r *reader) unknownSelector(t TSType, proto uint8, at int) Selector {
	if t == 0 {
		r.bad(ErrValue, at)
	}
	return Selector{Unknown: t, Proto: proto, Raw: r.rest()}
}

func (p *TS) appendBody(b []byte) ([]byte, error) {
	if len(p.Selectors) > 255 {
		return b, ErrTooMany
	}
	b = append(b, byte(len(p.Selectors)), 0, 0, 0)
	var err error
	for _, s := range p.Selectors {
		if b, err = s.append(b); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (s Selector) append(b []byte) ([]byte, error) {
	start, t := len(b), s.Unknown
	if t != 0 {
		b = append(b, byte(t), s.Proto, 0, 0)
		b = append(b, s.Raw...)
		return b, putLen16(b, start)
	}
	switch {
	case !s.From.IsValid() || s.From.Is4() != s.To.Is4():
		return b, ErrValue
	case s.From.Is4():
		t = TSIPv4Range
	default:
		t = TSIPv6Range
	}
	b = append(b, byte(t), s.Proto, 0, 0)
	b = binary.BigEndian.AppendUint16(b, s.StartPort)
	b = binary.BigEndian.AppendUint16(b, s.EndPort)
	b = append(b, s.From.AsSlice()...)
	b = append(b, s.To.AsSlice()...)
	return b, putLen16(b, start)
}
