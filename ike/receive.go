package ike

import (
	"crypto/sha256"
	"errors"
	"math"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// Receive handles one datagram. The engine owns d.Data from now on. What is not
// authentic changes nothing, save that IKE_SA_INIT makes half-open state.
func (e *Engine) Receive(d Datagram, now time.Time) {
	h, err := message.ParseHeader(d.Data)
	switch {
	case errors.Is(err, message.ErrMajor):
		e.refuseVersion(d, now)
		return
	case err != nil:
		e.refuse(RefusedMalformed)
		return
	case opens(h.Exchange) && !h.IsResponse():
		if h.FromInitiator() && h.SPIr == 0 && h.MessageID == 0 {
			e.initRequest(d, now)
		} else {
			e.refuse(RefusedMalformed)
		}
		return
	}
	own := h.SPIi
	if h.FromInitiator() {
		own = h.SPIr
	}
	sa := e.sas[own]
	switch {
	case sa == nil:
		e.refuseSPI(d, h, now)
		return
	case sa.initiator == h.FromInitiator() || d.Path.Via != sa.sess.via:
		e.refuse(RefusedLayer)
		return // reflected, or through the wrong layer
	}
	if sa.state == saInit || sa.state == saHalf && sa.initiator && opens(h.Exchange) {
		e.initResponse(sa, d, h, now)
		e.arm(sa.sess)
		return
	}
	if sa.state == saHalf && sa.initiator {
		e.choose(sa, d, h)
	}
	if h.SPIi != sa.spiI || h.SPIr != sa.spiR {
		e.refuse(RefusedSPI)
		return
	}
	if h.IsResponse() {
		e.receiveResponse(sa, d, h, now)
	} else {
		e.receiveRequest(sa, d, h, now)
	}
	e.arm(sa.sess)
}

// IsInit reports whether b, which may be anything, asks for a new IKE SA, as
// anyone may.
func IsInit(b []byte) bool {
	h, ok := rawHeader(b)
	return ok && opens(h.Exchange) && h.SPIr == 0 && !h.IsResponse()
}

// opens reports whether an exchange of this kind makes an IKE SA, in the clear.
func opens(kind message.ExchangeType) bool {
	return kind == message.IKESAInit || kind == message.IKESessionResume
}

// receiveResponse hands the response to the request under way to its task. A
// response to anything else is dropped without a word (RFC 7296, Section 2.1).
func (e *Engine) receiveResponse(sa *ikeSA, d Datagram, h message.Header, now time.Time) {
	x := sa.out
	if x == nil || x.id != h.MessageID || x.kind != h.Exchange || opens(x.kind) {
		e.refuse(RefusedOutOfWindow)
		return
	}
	in, err := e.unwrap(sa, d, &x.part, now)
	if e.notWhole(err) {
		return
	}
	ps, err := sa.parse(in, h, err)
	e.authentic(sa, d, false, now)
	if err == nil && sa.state != saHalf && message.GetNotify(ps, message.InvalidSyntax) != nil {
		// The peer has deleted the IKE SA (RFC 7296, Section 2.21.3).
		e.syntaxEnds(sa, "the peer calls the "+h.Exchange.String()+" request of this end malformed", now)
		return
	}
	sa.out = nil
	e.answeredFrom(sa.sess, d, now)
	x.task.done(e, sa, ps, err, now)
	e.run(sa, now)
	e.run(sa.sess.cur, now)
}

// receiveRequest answers a request once, and its repetition with the same bytes.
func (e *Engine) receiveRequest(sa *ikeSA, d Datagram, h message.Header, now time.Time) {
	if sa.repeats(d, h) {
		e.sendAll(d.Path, d.NATT, sa.resp)
		return
	}
	if sa.sess.wait != nil { // the answer to the last one is being found
		e.refuse(RefusedOutOfWindow)
		return
	}
	last := h.MessageID == math.MaxUint32 // ids never wrap (RFC 7296, Section 2.2)
	if sa.state == saClosed || h.MessageID != sa.recvID || last || !sa.takes(h.Exchange) {
		e.refuse(RefusedOutOfWindow)
		return
	}
	in, err := e.unwrap(sa, d, &sa.part, now)
	if e.notWhole(err) {
		return
	}
	sa.lastKind, sa.lastReq = h.Exchange, sha256.Sum256(in.datagram(d))
	ps, err := sa.parse(in, h, err)
	e.authentic(sa, d, true, now)
	if err != nil {
		e.refuseMalformed(sa, d, h.Exchange, err, now)
		return
	}
	switch h.Exchange {
	case message.IKEIntermediate:
		e.intermediateRequest(sa, d, ps, now)
	case message.IKEAuth:
		e.authRequest(sa, d, ps, now)
	case message.CreateChildSA:
		e.createChildRequest(sa, d, ps, now)
	case message.IKEFollowupKE:
		e.followupRequest(sa, d, ps, now)
	case message.Informational:
		if sa.state == saHalf {
			e.eapInformational(sa, d, ps, now)
			return
		}
		e.informational(sa, d, ps, now)
	}
}

// takes reports whether sa answers requests of this kind: before the peer is
// authenticated only IKE_INTERMEDIATE, as often as was agreed on, and IKE_AUTH,
// and those only from the initiator, who may also give up EAP, and after that
// everything but.
func (sa *ikeSA) takes(kind message.ExchangeType) bool {
	switch sa.state {
	case saHalf:
		if len(sa.sess.half.more) > 0 {
			return kind == message.IKEIntermediate && !sa.initiator
		}
		return !sa.initiator && (kind == message.IKEAuth || kind == message.Informational && sa.sess.eapServer != nil)
	case saUp, saReplaced:
		return kind == message.CreateChildSA || kind == message.IKEFollowupKE || kind == message.Informational
	}
	return false
}

// errUnauthentic marks a message to drop, errPartial an authentic fragment of one
// that is not whole yet.
var (
	errUnauthentic = errors.New("message is not authentic")
	errPartial     = errors.New("message is not whole yet")
)

// notWhole reports whether there is no message to work on, and counts what is not
// authentic.
func (e *Engine) notWhole(err error) bool {
	if errors.Is(err, errUnauthentic) {
		e.refuse(RefusedUnauthentic)
		return true
	}
	return errors.Is(err, errPartial)
}

// openError tells a message to drop from an authentic one that is malformed.
func openError(err error) error {
	var bad *message.ParseError
	if errors.As(err, &bad) && !errors.Is(err, crypt.ErrAuth) {
		return err
	}
	return errUnauthentic
}

// unwrap returns what is inside the SK payload, or, with the last of its fragments,
// inside the SKF payloads that part collects. An error for which notWhole does
// not hold means that the message is authentic but malformed.
func (e *Engine) unwrap(sa *ikeSA, d Datagram, part **reassembly, now time.Time) (*inbound, error) {
	m, err := message.Parse(d.Data)
	if err != nil || sa.sk == nil {
		return nil, errUnauthentic
	}
	if f, ok := message.Get[*message.EncryptedFragment](m.Payloads); ok {
		return e.take(sa, part, m, f, now)
	}
	plain, err := sa.sk.OpenPlain(m)
	if err != nil {
		return nil, openError(err)
	}
	*part = nil
	return &inbound{plain: plain, raw: d.Data}, nil
}

// datagram is the one by which a repetition of the message is known.
func (in *inbound) datagram(d Datagram) []byte {
	if in == nil {
		return d.Data
	}
	return in.raw
}

// parse returns the payloads of a message that was opened, or why it could not
// be. It takes those that AUTH is to cover into account.
func (sa *ikeSA) parse(in *inbound, h message.Header, err error) ([]message.Payload, error) {
	if err == nil && h.Exchange == message.IKEIntermediate {
		err = sa.cover(h.FromInitiator(), in.raw, in.plain)
	}
	if err != nil {
		return nil, err
	}
	ps, err := message.ParsePayloads(in.plain.Next, in.plain.Data)
	if err == nil {
		err = message.CheckOnce(ps)
	}
	if err != nil {
		return nil, err
	}
	return ps, nil
}

// authentic notes that the peer lives, and follows it when its address changed
// behind a NAT (RFC 7296, Section 2.23). Only requests, newer by their message
// id than all before, move the path.
func (e *Engine) authentic(sa *ikeSA, d Datagram, newer bool, now time.Time) {
	s := sa.sess
	s.lastIn = now
	if newer {
		e.follow(s, d)
	}
}

// refuseMalformed answers an authentic request that could not be parsed. An
// unknown critical payload is refused alone; bad syntax ends the IKE SA (RFC
// 7296, Sections 2.5 and 2.21.3).
func (e *Engine) refuseMalformed(sa *ikeSA, d Datagram, kind message.ExchangeType, err error, now time.Time) {
	var bad *message.ParseError
	if errors.As(err, &bad) && errors.Is(err, message.ErrCritical) {
		e.respond(sa, d, kind, []message.Payload{&message.Notify{
			Kind: message.UnsupportedCriticalPayload, Data: []byte{byte(bad.Payload)},
		}})
		if sa.state == saHalf {
			e.authFailed(sa, "unknown critical payload in IKE_AUTH", message.UnsupportedCriticalPayload, now)
		}
		return
	}
	e.respond(sa, d, kind, []message.Payload{&message.Notify{Kind: message.InvalidSyntax}})
	e.syntaxEnds(sa, "the peer sent a malformed "+kind.String()+" request", now)
}

// syntaxEnds closes sa after bad syntax, and its session if sa is in use.
func (e *Engine) syntaxEnds(sa *ikeSA, reason string, now time.Time) {
	s := sa.sess
	switch {
	case sa != s.cur:
		e.closeSA(sa, now)
	case s.state == sessionHalfOpen:
		e.authFailed(sa, reason, message.InvalidSyntax, now)
	default:
		e.end(s, ending{reason: reason}, now)
	}
}

// refuseSPI answers a request outside any IKE SA (RFC 7296, Section 2.21.4).
func (e *Engine) refuseSPI(d Datagram, h message.Header, now time.Time) {
	e.refuse(RefusedSPI)
	if h.IsResponse() || h.SPIr == 0 || !e.replies.take(now, e.opt.UnprotectedReplies) {
		return
	}
	e.unprotected(d, h, &message.Notify{Kind: message.InvalidIKESPI})
}

// refuseVersion answers a request of a later major version (RFC 7296, Section
// 2.5). Its header beyond the SPIs may mean anything.
func (e *Engine) refuseVersion(d Datagram, now time.Time) {
	e.refuse(RefusedVersion)
	h, ok := rawHeader(d.Data)
	if !ok || h.IsResponse() || !e.replies.take(now, e.opt.UnprotectedReplies) {
		return
	}
	e.unprotected(d, h, &message.Notify{Kind: message.InvalidMajorVersion})
}

// unprotected answers h with one notify in the clear.
func (e *Engine) unprotected(d Datagram, h message.Header, n *message.Notify) {
	flags := message.FlagResponse
	if !h.FromInitiator() {
		flags |= message.FlagInitiator
	}
	m := message.Message{
		Header:   message.Header{SPIi: h.SPIi, SPIr: h.SPIr, Exchange: h.Exchange, Flags: flags, MessageID: h.MessageID},
		Payloads: []message.Payload{n},
	}
	if data, err := m.Marshal(); err == nil {
		e.send(d.Path, d.NATT, data)
	}
}
