package ike

import (
	"log/slog"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
	"warren/policy"
)

// A childAnswer is a child SA that the peer asks for.
type childAnswer struct {
	first    bool   // in IKE_AUTH
	anew     bool   // with INITIAL_CONTACT, or resumed
	old      *child // being rekeyed
	takes    *child // of another session, whose layer it takes over
	ni, nr   []byte
	choice   crypt.Choice
	child    *child
	keys     childKeys
	payloads []message.Payload
	promised bool // the child is made when the additional key exchanges are over
}

// build makes the child and the payloads of the answer, or says why not.
// Nothing is reserved when it refuses.
func (a *childAnswer) build(e *Engine, sa *ikeSA, ps []message.Payload, now time.Time) *refusal {
	s := sa.sess
	want, ok := message.Get[*message.SA](ps)
	tsi, tsr := message.GetTS(ps, false), message.GetTS(ps, true)
	if !ok || tsi == nil || tsr == nil {
		return refuse(message.InvalidSyntax, "SA, TSi or TSr is missing")
	}
	own := s.esp
	if a.first {
		own = withoutDH(own)
	}
	choice, err := crypt.Select(want, own, 4)
	if err != nil {
		return refuse(message.NoProposalChosen, "offered %s, acceptable %s", crypt.Describe(want), proposalText(own))
	}
	ke, shared, no := a.exchange(e, choice, ps)
	if no != nil {
		return no
	}
	defer shared.Wipe()
	if no := a.make(s, choice, ps, now); no != nil {
		return no
	}
	if no := e.nests(s, a.child.mode); no != nil {
		return no
	}
	if no := a.narrow(s, selectors(tsi), selectors(tsr)); no != nil {
		return no
	}
	if a.old == nil && !a.anew && !s.initiator {
		if a.takes = e.predecessor(s, a.child); a.takes != nil {
			a.child.layer = a.takes.layer
		}
	}
	a.choice = choice
	return a.arm(e, sa, ke, shared, now)
}

// exchange answers the key exchange, if there is to be one.
func (a *childAnswer) exchange(e *Engine, choice crypt.Choice, ps []message.Payload) (*message.KE, crypt.Secret, *refusal) {
	if choice.DH == message.DHNone {
		return nil, nil, nil
	}
	ke, ok := message.Get[*message.KE](ps)
	if !ok || ke.Group != choice.DH {
		n := invalidKE(choice.DH)
		return nil, nil, &refusal{notify: n.Kind, data: n.Data, reason: "key exchange is not for " + choice.DH.String()}
	}
	public, shared, err := crypt.Respond(choice.DH, e.opt.Rand, ke.Data)
	if err != nil {
		return nil, nil, refuse(message.InvalidSyntax, "%v", err)
	}
	return &message.KE{Group: choice.DH, Data: public}, shared, nil
}

// make checks algorithms, SPI and mode.
func (a *childAnswer) make(s *session, choice crypt.Choice, ps []message.Payload, now time.Time) *refusal {
	spiOut, err := childSPI(choice)
	if err != nil {
		return refuse(message.InvalidSyntax, "%v", err)
	}
	suite, ok := SuiteOf(choice)
	if !ok {
		return refuse(message.NoProposalChosen, "ESP cannot do %v", choice)
	}
	mode := esp.Tunnel
	transport := message.GetNotify(ps, message.UseTransportMode) != nil
	if transport && s.modes(esp.Transport) {
		mode = esp.Transport
	}
	if !s.modes(mode) {
		return refuse(message.NoProposalChosen, "%v mode is not accepted", mode)
	}
	if a.old != nil && a.old.mode != mode {
		return refuse(message.NoProposalChosen, "a rekey must stay in %v mode", a.old.mode)
	}
	a.child = &child{layer: s.layer, spiOut: spiOut, suite: suite, mode: mode, born: now}
	switch {
	case a.old != nil:
		a.child.layer = a.old.layer
	case s.hasChild(): // a further pair is a layer of its own
		a.child.layer = s.accept.NextLayer()
	}
	return nil
}

// hasChild reports whether the session has a pair, if only until its DELETE is
// answered, or has promised a new one.
func (s *session) hasChild() bool {
	promised := slices.ContainsFunc(s.cur.promises, func(p *promise) bool { return p.child != nil && p.child.old == nil })
	return promised || slices.ContainsFunc(s.children, func(c *child) bool { return c.state != childLingering })
}

// asks reports whether this node asks the peer for a pair of the session's layer, or
// is about to.
func (s *session) asks() bool {
	asks := func(t task) bool {
		r, ok := t.(*rekeyChild)
		return ok && r.old == nil && r.cfg.Layer == s.layer
	}
	return asks(currentTask(s.cur)) || slices.ContainsFunc(s.cur.queue, asks) ||
		slices.ContainsFunc(s.postponed, func(p postponed) bool { return asks(p.task) })
}

// modes reports whether the session may have child SAs of mode m.
func (s *session) modes(m esp.Mode) bool {
	if s.initiator {
		return s.peer.Mode == m
	}
	return s.accept.allows(m)
}

// narrow sets the selectors, seen from here: tsi is the peer's side. A rekey
// keeps those in use, neither wider nor narrower (RFC 7296, Section 2.9.2).
func (a *childAnswer) narrow(s *session, tsi, tsr []policy.Selector) *refusal {
	local, remote := s.allowed(a.child.mode)
	if a.old != nil {
		local, remote = a.old.localTS, a.old.remoteTS
	}
	c := a.child
	c.localTS, c.remoteTS = policy.Intersect(tsr, local), policy.Intersect(tsi, remote)
	narrower := a.old != nil && !(policy.CoversAll(c.localTS, local) && policy.CoversAll(c.remoteTS, remote))
	if len(c.localTS) == 0 || len(c.remoteTS) == 0 || narrower {
		return refuse(message.TSUnacceptable, "asked for local %s, remote %s; allowed is local %s, remote %s",
			tsText(tsr), tsText(tsi), tsText(local), tsText(remote))
	}
	if max(len(c.localTS), len(c.remoteTS)) > maxSelectors {
		return refuse(message.TSUnacceptable, "what is left of the selectors are more than a payload holds")
	}
	return nil
}

// arm reserves the SPI, derives the keys, or has them wait for the additional key
// exchanges, and writes the answer.
func (a *childAnswer) arm(e *Engine, sa *ikeSA, ke *message.KE, shared crypt.Secret, now time.Time) (no *refusal) {
	more := a.choice.More()
	if len(more) == 0 {
		if no := a.derive(sa, shared); no != nil {
			return no
		}
	}
	c, err := a.child, error(nil)
	if c.spiIn, err = e.allocSPI(); err != nil {
		a.keys.wipe()
		return refuse(message.NoAdditionalSAs, "%v", err)
	}
	var link message.Payload
	if len(more) > 0 {
		p := &promise{more: more, secrets: []crypt.Secret{slices.Clone(shared)}, child: a}
		if link, no = e.promise(sa, p, now); no != nil {
			e.opt.FreeSPI(c.spiIn)
			return no
		}
		a.promised = true
	}
	var ps []message.Payload
	if c.mode == esp.Transport {
		ps = append(ps, &message.Notify{Kind: message.UseTransportMode})
	}
	ps = append(ps, a.choice.Answer(spiBytes(c.spiIn)))
	if !a.first {
		ps = append(ps, &message.Nonce{Data: a.nr})
	}
	if ke != nil {
		ps = append(ps, ke)
	}
	if link != nil {
		ps = append(ps, link)
	}
	a.payloads = append(ps, tsPayload(false, c.remoteTS), tsPayload(true, c.localTS))
	return nil
}

// derive computes the keys from the secrets of all key exchanges.
func (a *childAnswer) derive(sa *ikeSA, secrets ...crypt.Secret) *refusal {
	keys, err := sa.keys.Child(a.choice, a.ni, a.nr, secrets[0], secrets[1:]...)
	if err != nil {
		return refuse(message.NoProposalChosen, "%v", err)
	}
	a.keys = keysFor(keys, false)
	return nil
}

// createChildRequest answers CREATE_CHILD_SA: a new child, or the rekey of a
// child or of the IKE SA (RFC 7296, Section 1.3).
func (e *Engine) createChildRequest(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	resp, no := e.answerCreate(sa, ps, now)
	if no != nil {
		e.strangers.line(now, slog.LevelInfo, "ike: CREATE_CHILD_SA refused", "session", sa.sess.label(), "notify", no.notify.String(), "reason", no.reason)
		resp = []message.Payload{no.payload()}
	}
	e.respond(sa, d, message.CreateChildSA, resp)
	if no != nil && no.notify == message.InvalidSyntax {
		e.syntaxEnds(sa, "the peer sent a malformed CREATE_CHILD_SA request: "+no.reason, now)
	}
}

func (e *Engine) answerCreate(sa *ikeSA, ps []message.Payload, now time.Time) ([]message.Payload, *refusal) {
	s := sa.sess
	want, ok := message.Get[*message.SA](ps)
	ni, ok2 := message.Get[*message.Nonce](ps)
	if !ok || !ok2 || len(want.Proposals) == 0 || len(ni.Data) < sa.choice.MinNonce() {
		return nil, refuse(message.InvalidSyntax, "SA or nonce is missing, or the nonce is too short")
	}
	rekey := message.GetNotify(ps, message.RekeySA)
	switch {
	case sa.state != saUp || s.state != sessionUp:
		if rekey != nil && s.byOut(notifySPI(rekey)) == nil {
			return nil, notFound(rekey)
		}
		return nil, refuse(message.TemporaryFailure, "the IKE SA is being replaced or deleted")
	case want.Proposals[0].Protocol == message.ProtoIKE:
		return e.answerRekeyIKE(sa, want, ni.Data, ps, now)
	case s.rekeyingIKE():
		return nil, refuse(message.TemporaryFailure, "the IKE SA is being rekeyed")
	}
	a := &childAnswer{ni: slices.Clone(ni.Data)}
	var no *refusal
	if a.old, no = e.mayReplace(sa, rekey); no != nil {
		return nil, no
	}
	if a.old != nil {
		e.breakPromises(sa, isReplaced(a.old)) // the peer starts anew
	}
	if len(s.children)+len(sa.promises) >= e.opt.MaxChildren {
		return nil, refuse(message.NoAdditionalSAs, "there are %d child SAs", len(s.children))
	}
	var err error
	if a.nr, err = e.random(nonceLen); err != nil {
		return nil, refuse(message.TemporaryFailure, "%v", err)
	}
	if no := a.build(e, sa, ps, now); no != nil {
		return nil, no
	}
	if !a.promised {
		e.answered(s, a)
	} else if a.old != nil && a.old.rekey != nil {
		a.old.rekey.theirs = lower(a.ni, a.nr)
	}
	return a.payloads, nil
}

// mayReplace finds the child that the peer wants to rekey, nil where it wants
// a new one, or says why not now.
func (e *Engine) mayReplace(sa *ikeSA, rekey *message.Notify) (*child, *refusal) {
	s := sa.sess
	if rekey == nil {
		if s.initiator && (s.hasChild() || s.asks() || e.sender(s.layer) != nil) {
			return nil, refuse(message.NoAdditionalSAs, "there is a child SA, or will be, which another would rival")
		}
		return nil, nil
	}
	old, ok := e.rekeyTarget(s, rekey)
	if ok && old.busy() {
		return nil, refuse(message.TemporaryFailure, "the child SA is being replaced or deleted")
	}
	if _, making := currentTask(sa).(*rekeyChild); !ok && making {
		// It may be the pair whose response is on its way.
		return nil, refuse(message.TemporaryFailure, "no such child SA yet")
	}
	if !ok {
		return nil, notFound(rekey)
	}
	return old, nil
}

// answered installs what the peer asked for.
func (e *Engine) answered(s *session, a *childAnswer) {
	if a.old == nil {
		if a.promised {
			a.takes = e.sender(a.child.layer)
		}
		e.introduce(s, a.child, a.takes, a.keys)
		return
	}
	e.replaceChild(s, a.old, a.child, a.keys, false)
	a.old.succ = a.child
	if t := a.old.rekey; t != nil {
		t.passive, t.theirs = a.child, lower(a.ni, a.nr)
		return
	}
	a.old.state, a.old.rekeyAt = childReplaced, time.Time{}
}

// rekeyTarget finds the child that a REKEY_SA notify names. Its protocol must
// be ESP: anything else names no SA of ours.
func (e *Engine) rekeyTarget(s *session, n *message.Notify) (*child, bool) {
	if n.Protocol != message.ProtoESP {
		return nil, false
	}
	c := s.byOut(notifySPI(n))
	return c, c != nil
}

// busy reports whether c cannot be rekeyed by the peer now. A rekey of our own
// that is under way does not count: those may cross (RFC 7296, Section 2.8.1),
// unless its CREATE_CHILD_SA is over (RFC 9370, Section 2.2.4).
func (c *child) busy() bool {
	return c.succ != nil || c.rekey != nil && c.rekey.follow.active() || c.state != childUp && c.state != childRekeying
}

func notifySPI(n *message.Notify) esp.SPI {
	if len(n.SPI) != 4 {
		return 0
	}
	return esp.SPI(uint32(n.SPI[0])<<24 | uint32(n.SPI[1])<<16 | uint32(n.SPI[2])<<8 | uint32(n.SPI[3]))
}
