package ike

import (
	"fmt"
	"net/netip"
	"time"

	"warren/ike/message"
)

// cfgRequest asks for the virtual addresses that the peer's configuration wants
// (RFC 7296, Section 3.15), or is nil.
func (s *session) cfgRequest() message.Payload {
	c := s.peer
	cp := &message.CP{Kind: message.CfgRequest}
	if c.VirtualIP4 {
		cp.Attributes = append(cp.Attributes, wantAddr(message.InternalIP4Address, c.Want4, false))
	}
	if c.VirtualIP6 {
		cp.Attributes = append(cp.Attributes, wantAddr(message.InternalIP6Address, c.Want6, true))
	}
	if len(cp.Attributes) == 0 {
		return nil
	}
	return cp
}

func wantAddr(t message.CPAttrType, want netip.Addr, v6 bool) message.CPAttribute {
	if !want.IsValid() || want.Is6() != v6 {
		return message.CPAttribute{Type: t}
	}
	return message.CPAddress(netip.PrefixFrom(want, want.BitLen()))
}

// takeLeases reads the addresses that the responder assigned. One of the
// families asked for is enough.
func (s *session) takeLeases(ps []message.Payload) error {
	c := s.peer
	if !c.VirtualIP4 && !c.VirtualIP6 {
		return nil
	}
	if cp, ok := message.Get[*message.CP](ps); ok && cp.Kind == message.CfgReply {
		for _, a := range cp.Attributes {
			p, ok := a.Address()
			switch {
			case !ok || !routable(p.Addr()) || p.Addr().IsLoopback():
			case p.Addr().Is4() && c.VirtualIP4 && !s.lease4.IsValid():
				s.lease4 = p.Addr()
			case p.Addr().Is6() && c.VirtualIP6 && !s.lease6.IsValid():
				s.lease6 = p.Addr()
			}
		}
	}
	if !s.lease4.IsValid() && !s.lease6.IsValid() {
		return fmt.Errorf("the peer assigned no virtual address")
	}
	return nil
}

// grant leases the addresses that the initiator asks for and returns the
// CFG_REPLY, nil if there was no request.
func (e *Engine) grant(s *session, ps []message.Payload) (message.Payload, *refusal) {
	req, ok := message.Get[*message.CP](ps)
	if !ok || req.Kind != message.CfgRequest {
		return nil, nil
	}
	reply := &message.CP{Kind: message.CfgReply}
	asked := false
	for _, a := range req.Attributes {
		v6 := a.Type == message.InternalIP6Address
		have := &s.lease4
		if v6 {
			have = &s.lease6
		} else if a.Type != message.InternalIP4Address {
			continue
		}
		asked = true
		if have.IsValid() || !s.accept.Pool.Has(v6) {
			continue
		}
		want, _ := a.Address()
		addr, err := s.accept.Pool.Acquire(s.holder(), want.Addr(), v6)
		if err != nil {
			continue
		}
		*have = addr
		reply.Attributes = append(reply.Attributes, message.CPAddress(netip.PrefixFrom(addr, addr.BitLen())))
	}
	if !asked {
		return nil, nil
	}
	if len(reply.Attributes) == 0 {
		return nil, refuse(message.InternalAddressFailure, "no address for %v: %v", s.remoteID, ErrPoolEmpty)
	}
	return reply, nil
}

// holder is who holds the session's leases.
func (s *session) holder() Holder { return Holder{s.remoteID, s.outside} }

// releaseLeases gives a responder's leases back.
func (e *Engine) releaseLeases(s *session) {
	if s.accept == nil {
		return
	}
	for _, a := range []netip.Addr{s.lease4, s.lease6} {
		if a.IsValid() {
			s.accept.Pool.Release(s.holder(), a)
		}
	}
}

// livenessAt is when the peer's silence calls for a check.
func (s *session) livenessAt() time.Time {
	if s.liveness <= 0 || s.state != sessionUp || s.cur.out != nil {
		return time.Time{}
	}
	return s.lastIn.Add(s.liveness)
}
