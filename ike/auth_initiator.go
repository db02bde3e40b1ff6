package ike

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren/ike/message"
	"warren/policy"
)

// authTask is the initiator's IKE_AUTH, with the first child SA (RFC 7296,
// Section 1.2).
type authTask struct {
	child offer
}

func (t *authTask) start(e *Engine, sa *ikeSA, now time.Time) *request {
	s := sa.sess
	ps, err := t.build(e, s)
	if err != nil {
		e.fail(s, &Error{Peer: s.name, Stage: StageAuth, Reason: err.Error()}, now)
		return nil
	}
	return &request{kind: message.IKEAuth, payloads: ps}
}

func (t *authTask) build(e *Engine, s *session) ([]message.Payload, error) {
	idi, idr := s.localID.payload(false), s.remoteID.payload(true)
	var certs, proof []message.Payload
	if s.auth.eap == nil { // else it comes after EAP (RFC 7296, Section 2.16)
		var err error
		if certs, proof, err = s.auth.provePPK(e, s, s.half.initiatorInput(idi)); err != nil {
			return nil, err
		}
	}
	ps := append([]message.Payload{idi}, certs...)
	if !s.peer.NoInitialContact && s.reauth.pred == nil && e.onlySession(s) {
		ps = append(ps, &message.Notify{Kind: message.InitialContact})
	}
	if s.auth.trust != nil && s.half.ticket == nil {
		ps = append(ps, certRequest(s.auth.trust))
	}
	ps = append(append(ps, idr), proof...)
	if cp := s.cfgRequest(); cp != nil {
		ps = append(ps, cp)
	}
	if s.childless() {
		return slices.Concat(ps, s.offerMOBIKE(), s.requestTicket()), nil
	}
	cfg := s.firstChild()
	t.child = offer{mode: cfg.Mode, localTS: cfg.LocalTS, remoteTS: cfg.RemoteTS, layer: cfg.Layer}
	if err := t.child.prepare(e, s, message.DHNone); err != nil {
		return nil, err
	}
	return slices.Concat(ps, t.child.payloads(), s.offerMOBIKE(), s.requestTicket()), nil
}

// proposedLocal is the initiator's own side: everything where it asks for a
// virtual address, which the responder narrows to that address.
func (s *session) proposedLocal() []policy.Selector {
	switch c := s.peer; {
	case c.VirtualIP4 || c.VirtualIP6:
		return families(c.VirtualIP4, c.VirtualIP6)
	case len(c.LocalTS) > 0:
		return c.LocalTS
	}
	return []policy.Selector{policy.AddrSelector(s.path.Local.Addr().Unmap())}
}

// families is everything of the families asked for.
func families(v4, v6 bool) []policy.Selector {
	var out []policy.Selector
	if v4 {
		out = append(out, policy.PrefixSelector(netip.PrefixFrom(netip.IPv4Unspecified(), 0)))
	}
	if v6 {
		out = append(out, policy.PrefixSelector(netip.PrefixFrom(netip.IPv6Unspecified(), 0)))
	}
	return out
}

func (t *authTask) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	if err == nil {
		err = t.verify(e, s, ps, now)
	}
	if lists, ok := err.(*crlWait); ok {
		e.await(s, lists, func(now time.Time) { t.done(e, sa, ps, nil, now) }, func() { t.child.release(e) }, now)
		return
	}
	if err != nil {
		t.child.release(e)
		switch {
		case e.nextCandidate(s, now):
		case s.half.ticket != nil && s.state == sessionConnecting:
			e.startOver(s, true, now)
		default:
			t.rejected(e, s, err, now)
		}
		return
	}
	if s.state == sessionClosing {
		sa.state = saUp
		t.child.release(e)
		return
	}
	if s.auth.eap != nil {
		t.startEAP(e, sa, ps, now)
		return
	}
	t.complete(e, sa, ps, now)
}

// complete takes a response that ends an authentic IKE_AUTH.
func (t *authTask) complete(e *Engine, sa *ikeSA, ps []message.Payload, now time.Time) {
	s := sa.sess
	c, keys, cerr := t.finish(e, s, ps, now)
	if cerr != nil {
		sa.state = saUp
		t.child.release(e)
		e.closeSession(s, ending{err: cerr}, now)
		return
	}
	e.up(s, now)
	if c == nil {
		e.askForChild(s, now)
	} else {
		e.introduce(s, c, e.takeOver(s, c, now), keys)
	}
	if e.takeTicket(s, ps, now) {
		e.enqueue(sa, askTicket{}, now)
	}
}

// verify checks the responder's identity and proof. Before EAP it gives one, and
// after it, without its identity, another.
func (t *authTask) verify(e *Engine, s *session, ps []message.Payload, now time.Time) error {
	for _, p := range ps {
		if n, ok := p.(*message.Notify); ok && n.Kind == message.AuthenticationFailed {
			return &Error{Peer: s.name, Stage: StageAuth, Notify: n.Kind, Reason: s.auth.refused(s)}
		}
	}
	idr := cmp.Or(s.half.idr, message.GetID(ps, true))
	auth, ok := message.Get[*message.Auth](ps)
	if idr == nil || !ok {
		return t.unproven(s, ps)
	}
	if got := idOf(idr); !got.Equal(s.remoteID) {
		return &Error{Peer: s.name, Stage: StageAuth,
			Reason: fmt.Sprintf("the peer calls itself %v, its id must be %v", got, s.remoteID)}
	}
	if s.half.ticket != nil {
		return s.verifyResumed(auth, s.half.responderInput(idr))
	}
	proof := peerProof{id: idr, auth: auth, in: s.half.responderInput(idr)}
	proof.certs, proof.other = readCerts(ps)
	var err error
	if proof.keys, err = s.answeredWith(ps); err == nil {
		err = s.auth.verify(e, s, proof, now)
	}
	if _, waits := err.(*crlWait); err != nil && !waits {
		return &Error{Peer: s.name, Stage: StageAuth, Reason: fmt.Sprintf("%v is not proven: %v", s.remoteID, err)}
	}
	return err
}

// unproven is the failure of a response without IDr and AUTH, and what notify
// it carries instead.
func (t *authTask) unproven(s *session, ps []message.Payload) error {
	for _, p := range ps {
		if n, ok := p.(*message.Notify); ok && n.Kind.IsError() {
			return &Error{Peer: s.name, Stage: StageAuth, Notify: n.Kind, Reason: "the peer ends the exchange"}
		}
	}
	return &Error{Peer: s.name, Stage: StageAuth, Reason: "the peer sent no IDr or AUTH payload"}
}

// rejected ends the session after a failed authentication. The responder is
// told, unless it was the one who refused (RFC 7296, Section 2.21.2).
func (t *authTask) rejected(e *Engine, s *session, err error, now time.Time) {
	why, ok := err.(*Error)
	if !ok {
		why = &Error{Peer: s.name, Stage: StageAuth, Reason: err.Error()}
	}
	if why.Notify != 0 {
		e.fail(s, why, now)
		return
	}
	e.request(s.cur, &deleteIKE{}, &request{kind: message.Informational, retry: Retransmit{Tries: 1}.withDefaults(e.opt.Delete),
		payloads: []message.Payload{&message.Notify{Kind: message.AuthenticationFailed}}}, now)
	e.fail(s, why, now)
}

// finish takes the lease and the child SA, if there is to be one, out of an
// authentic response.
func (t *authTask) finish(e *Engine, s *session, ps []message.Payload, now time.Time) (*child, childKeys, *Error) {
	if err := e.settlePPK(s, message.GetNotify(ps, message.PPKIdentity) != nil); err != nil {
		return nil, childKeys{}, &Error{Peer: s.name, Stage: StageAuth, Reason: err.Error()}
	}
	e.settleProof(s, now)
	if n := childError(ps); n != nil {
		return nil, childKeys{}, t.childRefused(s, n.Kind)
	}
	if err := s.takeLeases(ps); err != nil {
		return nil, childKeys{}, &Error{Peer: s.name, Stage: StageAuth, Reason: err.Error(), Notify: message.InternalAddressFailure}
	}
	if s.childless() {
		s.learnMOBIKE(ps)
		return nil, childKeys{}, nil
	}
	c, err := t.child.agree(s, ps, now)
	if err == nil {
		err = s.succeeds(c)
	}
	var keys childKeys
	if err == nil {
		keys, err = t.child.keys(s.cur)
	}
	if err != nil {
		return nil, keys, &Error{Peer: s.name, Stage: StageAuth, Reason: err.Error()}
	}
	s.learnMOBIKE(ps)
	return c, keys, nil
}

// childError is the error notify of an otherwise authentic response.
func childError(ps []message.Payload) *message.Notify {
	for _, p := range ps {
		if n, ok := p.(*message.Notify); ok && n.Kind.IsError() {
			return n
		}
	}
	return nil
}

// childRefused words why the responder made no child SA.
func (t *authTask) childRefused(s *session, n message.NotifyType) *Error {
	err := &Error{Peer: s.name, Stage: StageAuth, Notify: n}
	switch n {
	case message.NoProposalChosen:
		err.Reason = fmt.Sprintf("the peer accepts none of the ESP proposals %s", proposalText(s.esp))
	case message.TSUnacceptable:
		err.Reason = fmt.Sprintf("the peer refuses the selectors local %s, remote %s", tsText(t.child.localTS), tsText(t.child.remoteTS))
	case message.InternalAddressFailure:
		err.Reason = "the peer has no virtual address for us"
	default:
		err.Reason = "the peer refuses the child SA"
	}
	return err
}

func (t *authTask) dropped(e *Engine, _ *ikeSA, _ time.Time) { t.child.release(e) }
