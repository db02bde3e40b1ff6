package ike

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/message"
)

// ErrNotMobile says that a session cannot change its address: it is not up, or
// one of its ends does not know MOBIKE.
var ErrNotMobile = errors.New("ike: the session is not mobile")

// maxAddresses bounds the further addresses that are remembered of a peer.
const maxAddresses = 16

// mobility is the MOBIKE state of a session (RFC 4555). The path of the session
// is the one of its IKE SA; children follow it by PathChanged.
type mobility struct {
	on     bool         // both ends have said MOBIKE_SUPPORTED
	others []netip.Addr // where else the peer is, as it says itself
	proven netip.Addr   // where it was last seen to receive what is sent there
	told   PathChanged  // where ESP goes

	moves   int       // changes of the path: what began before the last one is void
	refused int       // updates in a row that met an unexpected NAT
	updated time.Time // birth of the IKE SA that brought the last update
	seen    []byte    // own address as the peer saw it: its NAT_DETECTION_DESTINATION_IP
}

// Move tells a session that this node's own address towards the peer is local
// now. The initiator of a session moves it there (RFC 4555, Section 3.5); a
// responder announces where it is, for the initiator to follow (Section 3.6).
func (e *Engine) Move(id SessionID, local netip.Addr, now time.Time) error {
	s, err := e.session(id)
	if err != nil {
		return err
	}
	switch {
	case s.state != sessionUp || !s.mob.on || local.Is4() != s.path.Remote.Addr().Is4():
		return ErrNotMobile
	case local == s.path.Local.Addr():
		return nil
	}
	path := s.path
	path.Local = netip.AddrPortFrom(local, path.Local.Port())
	e.moveTo(s, path, now)
	e.run(s.cur, now)
	e.arm(s)
	return nil
}

// moveTo changes the path of s from this side, and queues what tells the peer.
// ESP moves at once, unless nobody knows yet whether the peer is at its new
// address (RFC 4555, Section 3.7).
func (e *Engine) moveTo(s *session, p Path, now time.Time) {
	s.path = p
	s.mob.moves++
	if p.Remote.Addr() == s.mob.proven {
		e.pathChanged(s)
	}
	for _, sa := range s.sas {
		if x := sa.out; x != nil {
			x.tries, x.next = 1, now.Add(x.retry.wait(1))
			e.sendAll(s.path, s.natt, x.data)
		}
	}
	if s.initiator {
		s.hurry(&updateAddresses{})
	} else {
		s.hurry(announce{})
	}
}

// here is the session's path now.
func (s *session) here() PathChanged {
	return PathChanged{ID: s.id, Path: s.path, NATT: s.natt, Encap: s.encap}
}

// pathChanged has ESP go where the IKE SA goes.
func (e *Engine) pathChanged(s *session) {
	ev := s.here()
	if ev != s.mob.told {
		s.mob.told = ev
		e.emit(ev)
	}
}

// reached notes that the peer is where the session goes, and moves ESP there.
func (e *Engine) reached(s *session) {
	s.mob.proven = s.path.Remote.Addr()
	e.pathChanged(s)
}

// hurry queues t before all that waits, in place of an earlier one of its kind:
// it is built from what is true when it starts, so one is enough.
func (s *session) hurry(t mobileTask) {
	q := slices.DeleteFunc(s.cur.queue, func(o task) bool {
		m, ok := o.(mobileTask)
		return ok && m.about() == t.about()
	})
	s.cur.queue = slices.Insert(q, 0, task(t))
}

// A mobileTask is an exchange about addresses.
type mobileTask interface {
	task
	about() mobileKind
}

type mobileKind uint8

const (
	aboutUpdate mobileKind = iota
	aboutAnnounce
	aboutRoutability
)

// prove queues the check of the peer's address, if that has to be made again:
// the path changed while one was under way.
func (s *session) prove() {
	switch {
	case s.state != sessionUp || s.path.Remote.Addr() == s.mob.proven:
	case s.initiator:
		s.hurry(&updateAddresses{})
	default:
		s.hurry(&returnRoutability{})
	}
}

// mobile reports whether s asks for MOBIKE: it is about tunnels (RFC 4555,
// Section 1.2).
func (c *PeerConfig) mobile() bool { return c.MOBIKE && c.Mode == esp.Tunnel }

// natTraversal reports whether addresses may be translated on the way. Where
// they may not, messages that change them carry NO_NATS_ALLOWED (RFC 4555,
// Section 3.9).
func (s *session) natTraversal() bool {
	return s.natt && !(s.initiator && s.peer.Encap == EncapESP)
}

// offerMOBIKE is what an initiator's IKE_AUTH says about MOBIKE.
func (s *session) offerMOBIKE() []message.Payload {
	if !s.peer.mobile() {
		return nil
	}
	ps := []message.Payload{&message.Notify{Kind: message.MOBIKESupported}}
	if !s.natTraversal() {
		ps = append(ps, noNATs(s.path))
	}
	return ps
}

// answerMOBIKE is what a responder says to ps, and what it keeps of it.
func (e *Engine) answerMOBIKE(s *session, ps []message.Payload) []message.Payload {
	tunnel := message.GetNotify(ps, message.UseTransportMode) == nil
	if !s.accept.MOBIKE || !tunnel || message.GetNotify(ps, message.MOBIKESupported) == nil {
		return nil
	}
	s.mob = mobility{on: true, others: addressesIn(ps), proven: s.proven, told: s.here()}
	return append([]message.Payload{&message.Notify{Kind: message.MOBIKESupported}}, e.additional(s)...)
}

// learnMOBIKE reads the responder's answer to offerMOBIKE.
func (s *session) learnMOBIKE(ps []message.Payload) {
	on := s.peer.mobile() && message.GetNotify(ps, message.MOBIKESupported) != nil
	s.mob = mobility{on: on, others: addressesIn(ps), proven: s.path.Remote.Addr(), told: s.here()}
}

// additional lists where else this node can be reached.
func (e *Engine) additional(s *session) []message.Payload {
	var ps []message.Payload
	for _, a := range e.opt.Addresses {
		if a == s.path.Local.Addr() {
			continue
		}
		kind := message.AdditionalIP4Address
		if a.Is6() {
			kind = message.AdditionalIP6Address
		}
		ps = append(ps, &message.Notify{Kind: kind, Data: a.AsSlice()})
	}
	return ps
}

// addressesIn are the further addresses that a message tells of.
func addressesIn(ps []message.Payload) []netip.Addr {
	var out []netip.Addr
	for _, p := range ps {
		n, ok := p.(*message.Notify)
		if !ok || n.Kind != message.AdditionalIP4Address && n.Kind != message.AdditionalIP6Address {
			continue
		}
		a, ok := netip.AddrFromSlice(n.Data)
		if ok && a.Is4() == (n.Kind == message.AdditionalIP4Address) && routable(a) &&
			!slices.Contains(out, a) && len(out) < maxAddresses {
			out = append(out, a)
		}
	}
	return out
}

// routable reports whether a can be where a peer is.
func routable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.Is4In6() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
