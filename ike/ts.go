package ike

import (
	"net/netip"

	"warren/esp"
	"warren/ike/message"
	"warren/policy"
)

// maxSelectors is what a TS payload holds (RFC 7296, Section 3.13).
const maxSelectors = 255

// tsPayload writes selectors as a TS payload (RFC 7296, Section 3.13).
func tsPayload(responder bool, sel []policy.Selector) *message.TS {
	ts := &message.TS{Responder: responder}
	for _, s := range sel {
		ts.Selectors = append(ts.Selectors, message.Selector{
			From: s.From, To: s.To, Proto: s.Proto, StartPort: s.Ports.Lo, EndPort: s.Ports.Hi,
		})
	}
	return ts
}

// selectors reads a TS payload. Selectors of unknown types are left out, and
// those for opaque ports too: narrowing drops what is not supported. So does a
// range that begins or ends at an IPv4 address written as IPv6 one: the packets
// it seems to mean are IPv4.
func selectors(ts *message.TS) []policy.Selector {
	var out []policy.Selector
	for _, s := range ts.Selectors {
		if s.Unknown != 0 || s.OpaquePorts() || s.StartPort > s.EndPort || s.From.Is4In6() || s.To.Is4In6() {
			continue
		}
		out = append(out, policy.Selector{
			From: s.From, To: s.To, Proto: s.Proto, Ports: policy.Ports{Lo: s.StartPort, Hi: s.EndPort},
		})
	}
	return out
}

// sameTS reports whether both select the same packets.
func sameTS(a, b []policy.Selector) bool { return policy.CoversAll(a, b) && policy.CoversAll(b, a) }

// leaseSelectors selects the session's virtual addresses.
func (s *session) leaseSelectors() []policy.Selector {
	var out []policy.Selector
	for _, a := range []netip.Addr{s.lease4, s.lease6} {
		if a.IsValid() {
			out = append(out, policy.AddrSelector(a))
		}
	}
	return out
}

// allowed are the selectors that a responder grants at most: its own side, and
// the peer's (RFC 7296, Section 2.9; RFC 4301, Section 4.4.3). A peer that may
// use its own address may use the one where it got the answer to IKE_SA_INIT:
// later ones it may only have written on its messages.
func (s *session) allowed(mode esp.Mode) (local, remote []policy.Selector) {
	local = []policy.Selector{policy.AddrSelector(s.path.Local.Addr().Unmap())}
	remote = []policy.Selector{policy.AddrSelector(s.proven.Unmap())}
	if s.initiator {
		return s.allowedInitiator(mode, local, remote)
	}
	if mode == esp.Transport {
		return local, remote
	}
	if len(s.accept.Local) > 0 {
		local = s.accept.Local
	}
	switch lease := s.leaseSelectors(); {
	case len(lease) > 0:
		remote = lease
	case len(s.accept.Remote) > 0:
		remote = s.accept.Remote
	}
	return local, remote
}

// allowedInitiator is allowed for a child that the responder of the session
// asks for.
func (s *session) allowedInitiator(mode esp.Mode, local, remote []policy.Selector) (_, _ []policy.Selector) {
	if mode == esp.Transport {
		return local, remote
	}
	if lease := s.leaseSelectors(); len(lease) > 0 {
		local = lease
	} else if len(s.peer.LocalTS) > 0 {
		local = s.peer.LocalTS
	}
	if remote = s.peer.RemoteTS; len(remote) == 0 {
		remote = policy.Everything()
	}
	return local, remote
}
