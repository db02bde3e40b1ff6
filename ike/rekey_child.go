package ike

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
)

// maxGroupTries bounds how often one CREATE_CHILD_SA starts again with another
// group.
const maxGroupTries = 4

// rekeyChild is this node's CREATE_CHILD_SA for a child SA: to replace old, or,
// without it, for a new pair.
//
// The peer may rekey the same child meanwhile. Then passive is the pair it made,
// and the pair with the lowest of the four nonces is redundant: who made it
// deletes it, and who made the other one deletes old (RFC 7296, Section 2.8.1).
// Where additional key exchanges follow there is nothing to delete yet: who has
// the lowest nonce stops (RFC 9370, Section 2.2.4).
type rekeyChild struct {
	old   *child
	lost  *child // new pair for one that the peer no longer knows
	cfg   ChildConfig
	offer offer
	group message.DHGroup
	tries int
	later int // how often the peer refused a new pair for now

	follow followup
	made   *child // the pair that follow is for

	passive     *child
	theirs      []byte    // lowest nonce of the peer's exchange, which may have made nothing yet
	oldGone     bool      // the peer deleted old meanwhile
	passiveGone bool      // and the pair it made
	gone        []esp.SPI // SPIs that the peer deleted and nobody knew
}

// lower is the lower of two nonces, octet by octet.
func lower(a, b []byte) []byte {
	if bytes.Compare(a, b) <= 0 {
		return slices.Clone(a)
	}
	return slices.Clone(b)
}

func (t *rekeyChild) start(e *Engine, sa *ikeSA, now time.Time) *request {
	s := sa.sess
	if t.follow.active() {
		return t.next(e, sa, now)
	}
	if sa != s.cur || s.state != sessionUp {
		return nil
	}
	if t.waitsForPeer(e, sa, now) {
		return nil
	}
	if t.old != nil && (t.old.busy() || !slices.Contains(s.children, t.old)) {
		return nil
	}
	if t.old != nil && s.replacing(t.old) {
		t.old.rekeyAt = e.retryTime(now)
		return nil
	}
	if t.tries == 0 && t.group == message.DHNone {
		t.group = firstGroup(s.esp)
	}
	t.tries++
	t.offer = offer{create: true, layer: t.cfg.Layer, mode: t.cfg.Mode, localTS: t.cfg.LocalTS, remoteTS: t.cfg.RemoteTS}
	if c := t.old; c != nil {
		t.offer.layer, t.offer.mode, t.offer.localTS, t.offer.remoteTS = c.layer, c.mode, c.localTS, c.remoteTS
		t.offer.whole = true // RFC 7296, Section 2.9.2
	}
	if err := t.offer.prepare(e, s, t.group); err != nil {
		t.offer.release(e)
		t.failed(e, s, &Error{Peer: s.name, Stage: StageCreateChild, Reason: err.Error()}, now)
		return nil
	}
	ps := t.offer.payloads()
	if t.old != nil {
		t.old.state, t.old.rekey, t.old.rekeyAt = childRekeying, t, time.Time{}
		ps = append([]message.Payload{&message.Notify{
			Protocol: message.ProtoESP, SPI: spiBytes(t.old.spiIn), Kind: message.RekeySA,
		}}, ps...)
	}
	return &request{kind: message.CreateChildSA, payloads: ps}
}

// replacing reports whether c is to take the place of a pair that the peer has
// not deleted yet. The peer may not even know c: its response was perhaps lost.
func (s *session) replacing(c *child) bool {
	return slices.ContainsFunc(s.children, func(o *child) bool { return o.succ == c && o.state != childLingering })
}

func (t *rekeyChild) done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time) {
	s := sa.sess
	if t.old != nil {
		t.old.rekey = nil
	}
	if t.follow.active() {
		t.followed(e, sa, ps, err, now)
		return
	}
	if n := childError(ps); err == nil && n != nil {
		t.offer.release(e)
		t.refused(e, sa, n, now)
		return
	}
	if err == nil {
		t.made, err = t.offer.agree(s, ps, now)
	}
	if err == nil && t.old == nil && t.lost == nil {
		err = s.succeeds(t.made)
	}
	if err == nil && len(t.offer.choice.More()) > 0 {
		t.goOn(e, sa, ps, now)
		return
	}
	if err != nil {
		t.unusable(e, sa, ps)
		t.failed(e, s, &Error{Peer: s.name, Stage: StageCreateChild, Reason: err.Error()}, now)
		e.afterKE(s, err, now)
		return
	}
	t.complete(e, sa, now)
}

// afterKE closes a session whose peer answered with a bad key exchange (RFC 6989,
// Section 2.5).
func (e *Engine) afterKE(s *session, err error, now time.Time) {
	if errors.Is(err, crypt.ErrKELength) || errors.Is(err, crypt.ErrKEValue) {
		e.closeSession(s, ending{reason: "the peer answered with a bad key exchange: " + err.Error()}, now)
	}
}

// complete takes in the pair that all key exchanges were for.
func (t *rekeyChild) complete(e *Engine, sa *ikeSA, now time.Time) {
	s, c := sa.sess, t.made
	keys, err := t.offer.keys(sa, t.follow.secrets...)
	t.follow.wipe()
	if err != nil {
		t.offer.release(e)
		t.failed(e, s, &Error{Peer: s.name, Stage: StageCreateChild, Reason: err.Error()}, now)
		return
	}
	if s.state != sessionUp || slices.Contains(t.gone, c.spiOut) || t.oldGone && t.passiveGone {
		keys.wipe()
		e.opt.FreeSPI(c.spiIn) // deleted before it was born
		t.settle(e, s, now)
		return
	}
	t.install(e, s, c, keys, now)
}

// unusable releases an offer whose answer cannot be used, or not be read (then ps is
// nil), and deletes the pair that the peer made for it.
func (t *rekeyChild) unusable(e *Engine, sa *ikeSA, ps []message.Payload) {
	if _, made := message.Get[*message.SA](ps); (made || ps == nil) && t.offer.spi != 0 && sa.state == saUp {
		sa.queue = append(sa.queue, &deleteSPI{spi: t.offer.spi})
	}
	t.offer.release(e)
}

// install takes the new pair in, and decides who deletes what.
func (t *rekeyChild) install(e *Engine, s *session, c *child, keys childKeys, now time.Time) {
	old := t.old
	if old == nil {
		t.installNew(e, s, c, keys, now)
		return
	}
	if t.loses() {
		// Ours is redundant: never sent on, kept inbound until it is deleted.
		e.replaceChild(s, old, c, keys, false)
		c.state, c.rekeyAt = childRedundant, time.Time{}
		t.settle(e, s, now)
		e.enqueue(s.cur, &deleteChild{c: c, reason: "redundant"}, now)
		return
	}
	e.replaceChild(s, old, c, keys, true)
	old.succ = c
	if t.passive != nil {
		t.passive.sending = false
	}
	t.won(e, s, now)
	if t.oldGone {
		e.linger(old, now)
		return
	}
	old.state = childReplaced
	e.enqueue(s.cur, &deleteChild{c: old, reason: "rekeyed"}, now)
}

// redundantTime is how long the loser of a collision waits for the DELETE that
// the peer owes.
const redundantTime = 30 * time.Second

func (t *rekeyChild) installNew(e *Engine, s *session, c *child, keys childKeys, now time.Time) {
	if lost := t.lost; lost != nil && slices.Contains(s.children, lost) {
		e.replaceChild(s, lost, c, keys, true)
		e.removeChild(s, lost, removal{reason: "the peer had lost it"}, now)
		return
	}
	e.introduce(s, c, e.takeOver(s, c, now), keys)
}

// refused handles an error notify.
func (t *rekeyChild) refused(e *Engine, sa *ikeSA, n *message.Notify, now time.Time) {
	s := sa.sess
	switch n.Kind {
	case message.InvalidKEPayload:
		if g, ok := groupOf(n); ok && offersGroup(s.esp, g) && t.tries < maxGroupTries && g != t.group &&
			t.theirs == nil && !t.oldGone {
			t.group = g
			if t.old != nil {
				t.old.state = childUp
			}
			sa.queue = append([]task{t}, sa.queue...)
			return
		}
	case message.TemporaryFailure:
		if t.postpone(e, s, now) {
			return
		}
	case message.ChildSANotFound:
		if t.old != nil && t.theirs == nil && !t.oldGone && s.state == sessionUp {
			t.recreate(e, s, now)
			return
		}
	}
	t.failed(e, s, &Error{Peer: s.name, Stage: StageCreateChild, Notify: n.Kind, Reason: t.refusalText(s, n.Kind)}, now)
}

// maxPostponed is how often a new pair is asked for again, which with the
// default RetryAfter takes minutes.
const maxPostponed = 40

// A postponed task is tried again at a later time.
type postponed struct {
	task task
	at   time.Time
}

// postpone asks again later for a new pair that the peer refused for now (RFC
// 7296, Section 2.25), and reports whether it will.
func (t *rekeyChild) postpone(e *Engine, s *session, now time.Time) bool {
	if t.old != nil || t.lost != nil || t.later == maxPostponed || s.state != sessionUp {
		return false
	}
	s.postponed = append(s.postponed, postponed{&rekeyChild{cfg: t.cfg, later: t.later + 1}, e.retryTime(now)})
	return true
}

// tickPostponed does what was put off until now.
func (e *Engine) tickPostponed(s *session, now time.Time) {
	for i := 0; i < len(s.postponed); {
		if p := s.postponed[i]; due(p.at, now) {
			s.postponed = slices.Delete(s.postponed, i, i+1)
			e.enqueue(s.cur, p.task, now)
			continue
		}
		i++
	}
}

func (t *rekeyChild) refusalText(s *session, n message.NotifyType) string {
	switch n {
	case message.NoProposalChosen:
		return fmt.Sprintf("the peer accepts none of the ESP proposals %s", proposalText(s.esp))
	case message.TSUnacceptable:
		return fmt.Sprintf("the peer refuses the selectors local %s, remote %s", tsText(t.offer.localTS), tsText(t.offer.remoteTS))
	}
	return "the peer refuses the child SA"
}

// recreate asks for a fresh pair in place of one that the peer has lost (RFC
// 7296, Section 2.25).
func (t *rekeyChild) recreate(e *Engine, s *session, now time.Time) {
	old := t.old
	old.state = childReplaced // nobody will delete it: it is dropped
	e.enqueue(s.cur, &rekeyChild{lost: old, cfg: ChildConfig{
		Layer: old.layer, Mode: old.mode, LocalTS: old.localTS, RemoteTS: old.remoteTS,
	}}, now)
}

// failed ends the task without a new pair.
func (t *rekeyChild) failed(e *Engine, s *session, err *Error, now time.Time) {
	pred := s.reauth.pred
	switch {
	case t.old == nil && t.lost == nil && pred != nil && pred.reauth.retireAt.IsZero() && !s.hasChild():
		e.closeSession(s, ending{err: err}, now) // the session before it stays
	case t.old == nil && t.lost == nil:
		e.emit(ChildFailed{Session: s.id, Layer: t.cfg.Layer, Err: err})
	case t.lost != nil && err.Notify == message.TemporaryFailure && slices.Contains(s.children, t.lost):
		t.lost.state, t.lost.rekeyAt = childUp, e.retryTime(now)
	case t.lost != nil:
		e.removeChild(s, t.lost, removal{down: true, byPeer: true, reason: err.Error()}, now)
	default:
		e.opt.Log.Info("ike: child SA not rekeyed", "session", s.label(), "spi", t.old.spiIn.String(), "err", err)
		t.settle(e, s, now)
	}
}

// settle leaves old as the peer's own doings left it.
func (t *rekeyChild) settle(e *Engine, s *session, now time.Time) {
	old := t.old
	if old == nil || !slices.Contains(s.children, old) {
		return
	}
	switch {
	case t.oldGone && old.succ == nil:
		e.removeChild(s, old, removal{down: true, byPeer: true, reason: "deleted by the peer"}, now)
	case t.oldGone:
	case old.succ != nil:
		old.state = childReplaced
	default:
		old.state, old.rekeyAt = childUp, e.retryTime(now)
	}
}

func (t *rekeyChild) dropped(e *Engine, sa *ikeSA, now time.Time) {
	t.offer.release(e)
	t.follow.wipe()
	if t.old != nil {
		t.old.rekey = nil
		if t.old.state == childRekeying {
			t.settle(e, sa.sess, now)
		}
	}
}
