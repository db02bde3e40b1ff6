package ike

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"warren/ike/message"
)

// The bounds of a COOKIE2 (RFC 4555, Section 4.2.5), and the length of ours.
const (
	minCookie2, maxCookie2 = 8, 64
	ownCookie2             = 16
)

// aboutAddresses does what an INFORMATIONAL request says about addresses, and
// returns the answer to it. What it sets off is only queued: the caller runs
// the queue when it has answered.
func (e *Engine) aboutAddresses(sa *ikeSA, d Datagram, ps []message.Payload) []message.Payload {
	s := sa.sess
	if !s.mob.on {
		return nil
	}
	var resp []message.Payload
	update := message.GetNotify(ps, message.UpdateSAAddresses) != nil && !s.initiator
	list := listsAddresses(ps)
	switch {
	case (update || list) && !fits(ps, d.Path):
		resp = append(resp, &message.Notify{Kind: message.UnexpectedNATDetected})
	case update && !e.readdress(sa, d, ps):
		resp = append(resp, &message.Notify{Kind: message.UnacceptableAddresses})
	case list:
		e.learnAddresses(s, d, ps)
	}
	if detectNAT(ps, sa.spiI, sa.spiR, d.Path).known {
		feign := s.initiator && s.peer.Encap != EncapESP
		if nat, err := e.natNotifies(sa.spiI, sa.spiR, d.Path, feign); err == nil {
			resp = append(resp, nat...)
		}
	}
	if c := message.GetNotify(ps, message.Cookie2); c != nil && len(c.Data) >= minCookie2 && len(c.Data) <= maxCookie2 {
		resp = append(resp, &message.Notify{Kind: message.Cookie2, Data: c.Data})
	}
	return resp
}

func listsAddresses(ps []message.Payload) bool {
	return slices.ContainsFunc(ps, func(p message.Payload) bool {
		n, ok := p.(*message.Notify)
		return ok && (n.Kind == message.AdditionalIP4Address || n.Kind == message.AdditionalIP6Address ||
			n.Kind == message.NoAdditionalAddresses)
	})
}

// readdress carries out UPDATE_SA_ADDRESSES as the responder of the session, or
// reports that it may not. The addresses are those that the request came with.
func (e *Engine) readdress(sa *ikeSA, d Datagram, ps []message.Payload) bool {
	s := sa.sess
	if sa.born.Before(s.mob.updated) {
		return true // a newer IKE SA has brought newer ones
	}
	if !s.acceptable(d.Path) {
		return false
	}
	s.mob.updated = sa.born
	encap := s.encap
	if nat := detectNAT(ps, sa.spiI, sa.spiR, d.Path); nat.known {
		s.peerNAT, encap = nat.peer, encapFor(nat.peer || nat.here)
	}
	if d.Path != s.path {
		s.mob.moves++
	}
	s.path, s.natt, s.encap = d.Path, d.NATT, encap
	if d.Path.Remote.Addr() == s.mob.proven {
		e.pathChanged(s)
		return true
	}
	s.hurry(&returnRoutability{})
	return true
}

// acceptable reports whether a peer may move to p: to an address of this node
// that it may use at all, and not into its own tunnel.
func (s *session) acceptable(p Path) bool {
	a := p.Remote.Addr()
	return s.accept.serves(p.Local.Addr()) && routable(a) && p.Remote.Port() != 0 &&
		a != s.lease4 && a != s.lease6
}

// learnAddresses takes the peer's new list. A responder that is no longer where
// the session goes is followed to where it wrote from (RFC 4555, Section 3.5).
func (e *Engine) learnAddresses(s *session, d Datagram, ps []message.Payload) {
	s.mob.others = addressesIn(ps)
	from := d.Path.Remote
	if !s.initiator || from == s.path.Remote || slices.Contains(s.mob.others, s.path.Remote.Addr()) || !routable(from.Addr()) {
		return
	}
	s.path.Remote = from
	s.mob.moves++
	s.hurry(&updateAddresses{})
}

// answeredFrom follows a responder that answered at another of its addresses,
// where a request went that found no answer at the usual one.
func (e *Engine) answeredFrom(s *session, d Datagram, now time.Time) {
	if s.initiator && s.mob.on && s.state == sessionUp && slices.Contains(s.mob.others, d.Path.Remote.Addr()) &&
		d.Path.Remote != s.path.Remote {
		p := s.path
		p.Remote = d.Path.Remote
		e.moveTo(s, p, now)
	}
}

// elsewhere sends a request that has no answer to the peer's other addresses
// too (RFC 4555, Section 3.10).
func (e *Engine) elsewhere(s *session, x *exchange) {
	const soon = 3 // tries, before the usual address is believed dead
	if !s.initiator || !s.mob.on || x.tries < soon {
		return
	}
	for _, a := range s.mob.others {
		if p := s.path; a.Is4() == p.Local.Addr().Is4() && a != p.Remote.Addr() {
			p.Remote = netip.AddrPortFrom(a, p.Remote.Port())
			e.sendAll(p, s.natt, x.data)
		}
	}
}

// noNATs is NO_NATS_ALLOWED for a message on p (RFC 4555, Section 4.2.6).
func noNATs(p Path) *message.Notify {
	b := append(p.Local.Addr().AsSlice(), p.Remote.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, p.Local.Port())
	return &message.Notify{Kind: message.NoNATsAllowed, Data: binary.BigEndian.AppendUint16(b, p.Remote.Port())}
}

// fits reports whether a message that came on p, seen from here, has not been
// translated, or may have been.
func fits(ps []message.Payload, p Path) bool {
	n := message.GetNotify(ps, message.NoNATsAllowed)
	p.Local, p.Remote = p.Remote, p.Local
	return n == nil || bytes.Equal(n.Data, noNATs(p).Data)
}

// cookie2 is a fresh one.
func (e *Engine) cookie2() (*message.Notify, error) {
	data, err := e.random(ownCookie2)
	return &message.Notify{Kind: message.Cookie2, Data: data}, err
}

// returned reports whether the answer ps brings the cookie back.
func returned(cookie *message.Notify, ps []message.Payload) bool {
	c := message.GetNotify(ps, message.Cookie2)
	return c != nil && subtle.ConstantTimeCompare(c.Data, cookie.Data) == 1
}
