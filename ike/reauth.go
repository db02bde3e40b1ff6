package ike

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren/policy"
	"warren/sa"
)

// Reauthentication makes a new session from scratch, with new child SAs, before it
// deletes the old one (RFC 7296, Section 2.8.3). The successor's pairs take over
// the layers of those before them, so what is inside notices no more than of a
// rekey. That goes for both ends: where an identity asks a second time for what it
// has, from where it has it, a responder takes that for the successor.
//
// A reauthentication counts as a rekey of its layer: until the old session is
// gone, no other layer of its chain replaces anything.

const (
	// overlap is how long the old session stays when its successor is up: what
	// was sent on it arrives, also where the peer drops its SAs with the DELETE.
	overlap = 500 * time.Millisecond

	// certMargin is how long before the end of a certificate a session is
	// authenticated anew. Where less is left in all, a tenth of that will do.
	certMargin = time.Hour

	// maxReauthWait bounds the wait after reauthentications that failed.
	maxReauthWait = 10 * time.Minute
)

// reauth is what a session knows of the one before it and the one after it.
type reauth struct {
	ends time.Time // of the certificates that proved both sides

	// As initiator.
	at         time.Time // when the next one is due
	failed     int       // how often in a row
	pred, succ *session
	retireAt   time.Time // when this one makes way for its successor, which is up
	count      int       // sessions before this one

	// As responder: when it sends on pairs that take over layers of another session,
	// unless the peer does before.
	takeAt time.Time
}

// Reauthenticate makes a session that takes the place of this one, at once or,
// where a layer of its chain is just being replaced, after that.
// ReauthStarted, or ReauthFailed, follows.
func (e *Engine) Reauthenticate(id SessionID, now time.Time) error {
	s, err := e.session(id)
	if err != nil {
		return err
	}
	if s.state != sessionUp || !s.initiator || s.peer.Again == nil {
		return fmt.Errorf("ike: session %d is not up, or is not this node's to authenticate anew", id)
	}
	e.reauthDue(s, now)
	e.arm(s)
	return nil
}

// reauthTime is when s is to be authenticated anew: at the configured age, or in
// time before a certificate ends.
func (e *Engine) reauthTime(s *session, now time.Time) time.Time {
	if !s.initiator || s.peer.Again == nil {
		return time.Time{}
	}
	since := now
	if s.resumption.used {
		since = s.resumption.since
	}
	at := e.rekeyTime(s, since, s.rekey.Reauth)
	if left := s.reauth.ends.Sub(now); !s.reauth.ends.IsZero() && left > time.Minute {
		at = earliest(at, s.reauth.ends.Add(-min(left/10, certMargin)))
	}
	return at
}

// lasts notes that what proves a side of s ends at t.
func (s *session) lasts(t time.Time) { s.reauth.ends = earliest(s.reauth.ends, t) }

// reauthDue begins to authenticate s anew, or puts that off for another layer of
// its chain or what s itself is about to replace.
func (e *Engine) reauthDue(s *session, now time.Time) {
	r := &s.reauth
	switch {
	case r.succ != nil:
	case r.pred != nil || s.replaces() || e.waits(s, r.ends, certMargin, now):
		r.at = e.chainRetry(now)
	default:
		r.at = time.Time{}
		if err := e.initiateAgain(s, now); err != nil {
			e.reauthFailed(s, err, now)
		}
	}
}

// initiateAgain begins the successor of s, from where that is and to where its peer
// is by now (RFC 4555).
func (e *Engine) initiateAgain(s *session, now time.Time) error {
	c, err := s.peer.Again()
	if err != nil {
		return err
	}
	c.Layer, c.Via = s.layer, s.via
	c.Local = netip.AddrPortFrom(s.path.Local.Addr(), c.Local.Port())
	c.Remote = netip.AddrPortFrom(s.path.Remote.Addr(), c.Remote.Port())
	c.Want4, c.Want6 = s.lease4, s.lease6
	_, err = e.initiate(c, s, now)
	return err
}

// succeed links a session and its successor.
func (e *Engine) succeed(pred, s *session) {
	if pred == nil {
		return
	}
	pred.reauth.succ, s.reauth.pred = s, pred
	s.reauth.count = pred.reauth.count + 1
	e.emit(ReauthStarted{ID: pred.id, Successor: s.id})
}

// unlink undoes succeed when one of the two has ended. A session whose successor
// is not there yet leaves its place to it.
func (e *Engine) unlink(s *session, why ending, now time.Time) {
	if o := s.reauth.succ; o != nil {
		o.reauth.pred = nil
	}
	if o := s.reauth.pred; o != nil {
		o.reauth.succ, o.reauth.retireAt = nil, time.Time{}
		if o.state == sessionUp {
			e.reauthFailed(o, why.error(), now)
		}
	}
	s.reauth.pred, s.reauth.succ = nil, nil
}

// error is why a session never took the place of another one.
func (why ending) error() error {
	if why.err != nil {
		return why.err
	}
	return errors.New(why.reason)
}

// takeOver lets s, which is up, take the place of the session before it, and
// returns the pair that c replaces; nil if there is none.
func (e *Engine) takeOver(s *session, c *child, now time.Time) *child {
	old := s.reauth.pred
	if old == nil || old.state != sessionUp {
		return nil
	}
	old.reauth.retireAt = now.Add(overlap)
	e.arm(old)
	return old.inUse(c.layer)
}

// tickReauth does what is due for the successor of s.
func (e *Engine) tickReauth(s *session, now time.Time) {
	switch r := &s.reauth; {
	case e.sessions[s.id] != s:
	case due(r.retireAt, now):
		e.closeSession(s, ending{reason: "authenticated anew"}, now)
	case due(r.at, now):
		e.reauthDue(s, now)
	case due(r.takeAt, now):
		e.takeLayers(s)
	}
}

// reauthFailed leaves s as it was, to be tried again.
func (e *Engine) reauthFailed(s *session, err error, now time.Time) {
	r := &s.reauth
	wait := min(e.opt.RetryAfter<<min(r.failed, 10), maxReauthWait)
	r.failed++
	r.at = now.Add(wait + time.Duration(float64(wait)/2*e.fraction()))
	e.opt.Log.Info("ike: not reauthenticated", "session", s.label(), "err", err)
	e.emit(ReauthFailed{ID: s.id, Err: err, Again: r.at})
	e.arm(s)
}

// succeeds reports why s, which is authenticated, cannot take the place of its
// predecessor with the pair c: what is inside relies on its addresses.
func (s *session) succeeds(c *child) error {
	old := s.reauth.pred
	if old == nil {
		return nil
	}
	if s.lease4 != old.lease4 || s.lease6 != old.lease6 {
		return fmt.Errorf("the peer leased %s, and %s before", leaseText(s), leaseText(old))
	}
	for _, o := range old.children {
		if o.layer == c.layer && !(policy.CoversAll(c.localTS, o.localTS) && policy.CoversAll(c.remoteTS, o.remoteTS)) {
			return fmt.Errorf("the peer narrowed the selectors to local %s, remote %s, and local %s, remote %s before",
				tsText(c.localTS), tsText(c.remoteTS), tsText(o.localTS), tsText(o.remoteTS))
		}
	}
	return nil
}

func leaseText(s *session) string { return tsText(s.leaseSelectors()) }

// introduce takes in a pair that replaces none of its own session. Old is that of
// another one whose layer it takes over, or nil. A responder does not send on it
// yet: the opener does not know its keys before the answer.
func (e *Engine) introduce(s *session, c, old *child, k childKeys) {
	e.addChild(s, c)
	if old == nil || !old.sending {
		e.emit(ChildUp{Session: s.id, Child: e.export(s, c, k)})
		return
	}
	c.shared, old.shared = true, true
	if c.sending = s.initiator; c.sending {
		old.sending = false
	} else {
		s.reauth.takeAt = c.born.Add(e.opt.Linger)
	}
	e.emit(ChildAdded{Session: s.id, Child: e.export(s, c, k), Replaces: old.spiIn, UseOutbound: c.sending})
}

// takeLayers has all layers that s has taken over sent on with its pairs.
func (e *Engine) takeLayers(s *session) {
	s.reauth.takeAt = time.Time{}
	for _, c := range s.children {
		if c.shared && s.inUse(c.layer) == nil && s.standing(c.layer) == c {
			e.takeLayer(s, c)
		}
	}
}

// takeLayer has c sent on in place of the pair of another session.
func (e *Engine) takeLayer(s *session, c *child) {
	if old := e.sender(c.layer); old != nil {
		old.sending = false
	}
	c.sending = true
	e.emit(OutboundSwitched{Session: s.id, SPIIn: c.spiIn, SPIOut: c.spiOut})
}

// sender is the pair that the layer is sent on; nil if there is none.
func (e *Engine) sender(layer sa.Layer) *child {
	_, c := e.newest(func(_ *session, c *child) bool { return c.layer == layer && c.sending })
	return c
}

// heir is the pair of another session that carries on the layer of c; nil if there
// is none.
func (e *Engine) heir(s *session, c *child) (*session, *child) {
	if !c.shared {
		return nil, nil
	}
	return e.newest(func(o *session, x *child) bool {
		return o != s && o.state == sessionUp && x.layer == c.layer && x == o.standing(c.layer)
	})
}

// newest finds a pair.
func (e *Engine) newest(suits func(*session, *child) bool) (*session, *child) {
	for _, s := range slices.Backward(e.order) {
		for _, c := range s.children {
			if suits(s, c) {
				return s, c
			}
		}
	}
	return nil, nil
}

// handOver has the layer of c, which goes, sent on with the pair of another session,
// and reports whether there is one. A successor that loses the layer again is of no
// use.
func (e *Engine) handOver(s *session, c *child, why string, now time.Time) bool {
	to, heir := e.heir(s, c)
	if heir == nil {
		return false
	}
	e.takeLayer(to, heir)
	if to == s.reauth.pred && e.sessions[s.id] == s {
		to.reauth.retireAt = time.Time{}
		e.closeSession(s, ending{reason: why}, now)
	}
	return true
}

// bequeath hands c, whose session ends, to the session that carries on its layer,
// for late packets. It reports whether there is one.
func (e *Engine) bequeath(s *session, c *child, now time.Time) bool {
	to, heir := e.heir(s, c)
	if heir == nil {
		return false
	}
	if c.sending {
		e.takeLayer(to, heir)
	}
	s.children = slices.DeleteFunc(s.children, func(o *child) bool { return o == c })
	if c.state != childLingering {
		e.linger(c, now)
	}
	c.succ, c.rekey, c.sending = heir, nil, false
	to.children = append(to.children, c)
	e.arm(to)
	return true
}

// predecessor is the pair in use that does for the same identities, and through the
// same layer, what c is to do for s.
func (e *Engine) predecessor(s *session, c *child) *child {
	for _, o := range e.twins(s) {
		if o.via != s.via || o.state != sessionUp {
			continue
		}
		for _, x := range o.children {
			if x.sending && x.mode == c.mode && sameTS(x.localTS, c.localTS) && sameTS(x.remoteTS, c.remoteTS) {
				return x
			}
		}
	}
	return nil
}

// standing is the pair of s that layer is to be sent on: of one that is just being
// replaced, the old.
func (s *session) standing(layer sa.Layer) *child {
	for _, c := range s.children {
		if c.layer == layer && (c.state == childUp || c.state == childRekeying || c.state == childReplaced) {
			return c
		}
	}
	return nil
}

// inUse is the pair of s that layer is sent on.
func (s *session) inUse(layer sa.Layer) *child {
	for _, c := range s.children {
		if c.layer == layer && c.sending {
			return c
		}
	}
	return nil
}
