package ike

import (
	"encoding/binary"
	"fmt"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

// additional is the part of IKE_SA_INIT that follows it: key exchanges in
// IKE_INTERMEDIATE (RFC 9242, RFC 9370).
type additional struct {
	more       []message.DHGroup // those that have not taken place yet
	exchanges  uint32            // that have
	auth, resp []byte            // IntAuth_iN and IntAuth_rN
}

// intAuth is what AUTH covers of them; nil if there were none (RFC 9242, Section
// 3.3.2).
func (a *additional) intAuth() []byte {
	if a.exchanges == 0 {
		return nil
	}
	b := append(append([]byte{}, a.auth...), a.resp...)
	return binary.BigEndian.AppendUint32(b, 1+a.exchanges) // the message id of IKE_AUTH
}

// cover takes a message of IKE_INTERMEDIATE into IntAuth, under the keys that
// protect it. Raw is its first datagram.
func (sa *ikeSA) cover(fromInitiator bool, raw []byte, p crypt.Plain) error {
	half := sa.sess.half
	sum := &half.resp
	if fromInitiator {
		sum = &half.auth
	}
	next, err := sa.keys.IntAuth(fromInitiator, *sum, raw, p)
	if err != nil {
		return err
	}
	*sum = next
	return nil
}

// mix takes the secret of an additional key exchange into the keys of sa.
func (sa *ikeSA) mix(shared crypt.Secret) error {
	defer shared.Wipe()
	half, old := sa.sess.half, sa.keys
	keys, err := old.Intermediate(crypt.KeyInput{Ni: half.ni, Nr: half.nr, SPIi: sa.spiI, SPIr: sa.spiR, Shared: shared})
	if err != nil {
		return err
	}
	if err := sa.setKeys(sa.choice, keys); err != nil {
		return err
	}
	old.Wipe()
	half.more, half.exchanges = half.more[1:], half.exchanges+1
	return nil
}

// afterInit is what an initiator does next once IKE_SA_INIT is over.
func (s *session) afterInit() task {
	if len(s.half.more) > 0 {
		return &intermediate{}
	}
	return &authTask{}
}

// intermediate is the initiator's IKE_INTERMEDIATE with the next additional key
// exchange (RFC 9370, Section 2.2.2).
type intermediate struct{ ke crypt.KeyExchange }

func (t *intermediate) start(e *Engine, sa *ikeSA, now time.Time) *request {
	s := sa.sess
	var err error
	if t.ke, err = crypt.NewKeyExchange(s.half.more[0], e.opt.Rand); err != nil {
		e.fail(s, &Error{Peer: s.name, Stage: StageIntermediate, Reason: err.Error()}, now)
		return nil
	}
	return &request{kind: message.IKEIntermediate, payloads: []message.Payload{
		&message.KE{Group: t.ke.Group(), Data: t.ke.Public()},
	}}
}

func (t *intermediate) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	defer t.ke.Wipe()
	if s.state == sessionClosing { // nothing is up yet that would need a DELETE
		e.end(s, *s.closing, now)
		return
	}
	if why := t.finish(sa, ps, err); why != nil {
		if !e.nextCandidate(s, now) {
			e.fail(s, why, now)
		}
		return
	}
	e.enqueue(sa, s.afterInit(), now)
}

// finish ends the key exchange. Nobody has authenticated the response, but it is
// of who answered IKE_SA_INIT.
func (t *intermediate) finish(sa *ikeSA, ps []message.Payload, err error) *Error {
	why := &Error{Peer: sa.sess.name, Stage: StageIntermediate}
	if n := childError(ps); err == nil && n != nil {
		why.Notify, why.Reason = n.Kind, fmt.Sprintf("the peer ends the key exchange %v", t.ke.Group())
		return why
	}
	var shared crypt.Secret
	if ke, ok := message.Get[*message.KE](ps); err == nil && (!ok || ke.Group != t.ke.Group()) {
		err = fmt.Errorf("the answer has no key exchange for %v", t.ke.Group())
	} else if err == nil {
		shared, err = t.ke.Finish(ke.Data)
	}
	if err == nil {
		err = sa.mix(shared)
	}
	if err != nil {
		why.Reason = err.Error()
		return why
	}
	return nil
}

func (t *intermediate) dropped(*Engine, *ikeSA, time.Time) {
	if t.ke != nil {
		t.ke.Wipe()
	}
}

// intermediateRequest answers IKE_INTERMEDIATE. How many of them there are was
// agreed on in IKE_SA_INIT.
func (e *Engine) intermediateRequest(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	want := sa.sess.half.more[0]
	ke, ok := message.Get[*message.KE](ps)
	if !ok || ke.Group != want {
		e.refuseIntermediate(sa, d, fmt.Sprintf("it has no key exchange for %v", want), now)
		return
	}
	public, shared, err := crypt.Respond(want, e.opt.Rand, ke.Data)
	if err != nil {
		e.refuseIntermediate(sa, d, err.Error(), now)
		return
	}
	e.respond(sa, d, message.IKEIntermediate, []message.Payload{&message.KE{Group: want, Data: public}})
	if err := sa.mix(shared); err != nil {
		e.authFailed(sa, err.Error(), message.InvalidSyntax, now)
	}
}

// refuseIntermediate ends a session whose additional key exchange is malformed.
func (e *Engine) refuseIntermediate(sa *ikeSA, d Datagram, reason string, now time.Time) {
	e.respond(sa, d, message.IKEIntermediate, []message.Payload{&message.Notify{Kind: message.InvalidSyntax}})
	e.authFailed(sa, "bad IKE_INTERMEDIATE: "+reason, message.InvalidSyntax, now)
}
