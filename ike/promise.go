package ike

import (
	"bytes"
	"log/slog"
	"slices"
	"time"

	"warren/ike/crypt"
	"warren/ike/message"
)

const (
	// maxPromises bounds what a peer may begin and not end, on one IKE SA.
	maxPromises = 4

	// linkLen is enough that no link comes twice.
	linkLen = 16
)

// A promise is an SA that the peer asked for and gets when the additional key
// exchanges that were agreed on are over (RFC 9370, Section 2.2.4). So far it has
// an SPI, and no keys.
type promise struct {
	link    []byte
	more    []message.DHGroup // key exchanges to come
	secrets []crypt.Secret    // of CREATE_CHILD_SA, and of those that are over
	until   time.Time

	child *childAnswer // either
	rekey *ikeAnswer
}

// promise adds p to sa and returns how the peer is to go on. If it refuses, the
// secrets of p are wiped.
func (e *Engine) promise(sa *ikeSA, p *promise, now time.Time) (message.Payload, *refusal) {
	link, no := e.relink(p, now)
	if len(sa.promises) >= maxPromises {
		no = refuse(message.TemporaryFailure, "%d exchanges have begun and are not over", len(sa.promises))
	}
	if no != nil {
		p.wipe()
		return nil, no
	}
	sa.promises = append(sa.promises, p)
	return link, nil
}

// relink gives p its next link.
func (e *Engine) relink(p *promise, now time.Time) (message.Payload, *refusal) {
	link, err := e.random(linkLen)
	if err != nil {
		return nil, refuse(message.TemporaryFailure, "%v", err)
	}
	p.link, p.until = link, now.Add(e.opt.HalfOpenTime)
	return &message.Notify{Kind: message.AdditionalKeyExchange, Data: link}, nil
}

// wipe forgets the secrets of p.
func (p *promise) wipe() {
	for _, s := range p.secrets {
		s.Wipe()
	}
}

// breakPromises forgets those of sa that which wants gone.
func (e *Engine) breakPromises(sa *ikeSA, which func(*promise) bool) {
	sa.promises = slices.DeleteFunc(sa.promises, func(p *promise) bool {
		if !which(p) {
			return false
		}
		p.wipe()
		if p.child != nil {
			e.opt.FreeSPI(p.child.child.spiIn)
		}
		return true
	})
}

// promiseUntil is when the first promise of sa is given up.
func (sa *ikeSA) promiseUntil() time.Time {
	var t time.Time
	for _, p := range sa.promises {
		t = earliest(t, p.until)
	}
	return t
}

// promisesIKE reports whether the peer is rekeying sa.
func (sa *ikeSA) promisesIKE() bool {
	return slices.ContainsFunc(sa.promises, func(p *promise) bool { return p.rekey != nil })
}

// isReplaced says which promise is to replace c.
func isReplaced(c *child) func(*promise) bool {
	return func(p *promise) bool { return p.child != nil && p.child.old == c }
}

// promised reports whether the peer is rekeying c.
func (s *session) promised(c *child) bool { return slices.ContainsFunc(s.cur.promises, isReplaced(c)) }

// followupRequest answers IKE_FOLLOWUP_KE.
func (e *Engine) followupRequest(sa *ikeSA, d Datagram, ps []message.Payload, now time.Time) {
	resp, no := e.answerFollowup(sa, ps, now)
	if no != nil {
		e.strangers.line(now, slog.LevelDebug, "ike: IKE_FOLLOWUP_KE refused", "session", sa.sess.label(), "notify", no.notify.String(), "reason", no.reason)
		resp = []message.Payload{no.payload()}
	}
	e.respond(sa, d, message.IKEFollowupKE, resp)
	if no != nil && no.notify == message.InvalidSyntax {
		e.syntaxEnds(sa, "the peer sent a malformed IKE_FOLLOWUP_KE request: "+no.reason, now)
	}
}

func (e *Engine) answerFollowup(sa *ikeSA, ps []message.Payload, now time.Time) ([]message.Payload, *refusal) {
	link := message.GetNotify(ps, message.AdditionalKeyExchange)
	i := slices.IndexFunc(sa.promises, func(p *promise) bool { return link != nil && bytes.Equal(p.link, link.Data) })
	if i < 0 {
		return nil, &refusal{notify: message.StateNotFound, reason: "no key exchange is to follow under this link"}
	}
	p := sa.promises[i]
	ke, ok := message.Get[*message.KE](ps)
	if !ok || ke.Group != p.more[0] {
		return nil, refuse(message.InvalidSyntax, "it has no key exchange for %v", p.more[0])
	}
	public, shared, err := crypt.Respond(ke.Group, e.opt.Rand, ke.Data)
	if err != nil {
		return nil, refuse(message.InvalidSyntax, "%v", err)
	}
	p.secrets, p.more = append(p.secrets, shared), p.more[1:]
	resp := []message.Payload{&message.KE{Group: ke.Group, Data: public}}
	if len(p.more) > 0 {
		next, no := e.relink(p, now)
		return append(resp, next), no
	}
	sa.promises = slices.Delete(sa.promises, i, i+1)
	defer p.wipe()
	if p.rekey != nil {
		return resp, e.keepIKE(sa, p.rekey, p.secrets, now)
	}
	return resp, e.keepChild(sa, p.child, p.secrets)
}

// keepChild makes the child SA that was promised.
func (e *Engine) keepChild(sa *ikeSA, a *childAnswer, secrets []crypt.Secret) *refusal {
	if no := a.derive(sa, secrets...); no != nil {
		e.opt.FreeSPI(a.child.spiIn)
		return no
	}
	e.answered(sa.sess, a)
	return nil
}

// keepIKE makes the IKE SA that was promised.
func (e *Engine) keepIKE(sa *ikeSA, a *ikeAnswer, secrets []crypt.Secret, now time.Time) *refusal {
	fresh, no := a.derive(e, sa, now, secrets...)
	if no != nil {
		return no
	}
	e.answeredIKE(sa, fresh, lower(a.ni, a.nr), now)
	return nil
}
