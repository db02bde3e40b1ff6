package ike

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"warren/ike/eap"
	"warren/packet"
	"warren/sa"
)

type sessionState uint8

const (
	sessionConnecting sessionState = iota // initiator
	sessionHalfOpen                       // responder
	sessionUp
	sessionClosing
)

// A session is what two peers have together: an IKE SA, its successors, and
// child SAs, which outlive the IKE SA that made them.
type session struct {
	id        SessionID
	state     sessionState
	initiator bool
	peer      *PeerConfig   // as initiator
	accept    *AcceptConfig // as responder; nil until IKE_AUTH

	name              string
	localID, remoteID ID
	pair              pairing // by which the engine knows them
	ike, esp          []Proposal
	rekey             Rekey
	liveness          time.Duration
	window            int
	layer, via        sa.Layer
	outside           int // layers that its messages go through

	path    Path
	proven  netip.Addr // the peer's address that IKE_SA_INIT was answered from
	natt    bool
	encap   packet.Encap
	peerNAT bool // the peer is behind a NAT, or feigns one: follow its address
	support
	peerFragment int // the longest datagram of the last message that came in fragments

	mixed bool // its keys are made with a PPK

	proofs proofs

	auth *credentials // as initiator, until IKE_AUTH ends
	init *initState   // as initiator, until IKE_AUTH ends
	half *halfState   // until IKE_AUTH ends
	wait *wait        // IKE_AUTH stands still

	eapPeer   *eap.Peer   // as initiator, while EAP is under way
	eapServer *eapServing // as responder, the same

	mob        mobility
	reauth     reauth
	resumption resumption

	others    []*candidate // as initiator, until IKE_AUTH ends
	cur       *ikeSA
	sas       []*ikeSA
	children  []*child
	postponed []postponed
	stateLost int // how often in a row the peer answered STATE_NOT_FOUND

	lease4, lease6 netip.Addr
	established    time.Time
	lastIn         time.Time // last authenticated message or ESP
	rekeys         int
	closing        *ending
	closeBy        time.Time
	halfBy         time.Time
	timer          timer
}

// An ending is why a session ends.
type ending struct {
	reason string
	byPeer bool
	err    *Error // the session never came up
	silent bool   // no event

	interrupted bool // nobody has deleted it: it may be resumed
}

func (r Rekey) jitter() float64 {
	switch {
	case r.Jitter < 0:
		return 0
	case r.Jitter == 0:
		return 0.1
	}
	return min(r.Jitter, 0.9)
}

func (e *Engine) newSession(s *session) *session {
	e.lastID++
	s.id = e.lastID
	s.timer = timer{index: -1, fire: func(now time.Time) { e.tickSession(s, now) }}
	e.sessions[s.id] = s
	e.order = append(e.order, s)
	return s
}

// label names the session in log lines.
func (s *session) label() string {
	if s.name != "" {
		return s.name
	}
	return s.path.Remote.String()
}

// stage is where a session that is not up stands.
func (s *session) stage() string {
	switch {
	case s.cur.state == saInit:
		return StageInit
	case s.half != nil && len(s.half.more) > 0:
		return StageIntermediate
	}
	return StageAuth
}

// arm sets the session's timer to what is due first.
func (e *Engine) arm(s *session) {
	if e.sessions[s.id] != s {
		e.timers.set(&s.timer, time.Time{})
		return
	}
	at := earliest(s.closeBy, s.halfBy, s.livenessAt(), s.reauth.at, s.reauth.retireAt, s.reauth.takeAt)
	if s.init != nil {
		at = earliest(at, s.init.failAt)
	}
	if s.wait != nil {
		at = earliest(at, s.wait.by)
	}
	for _, sa := range s.sas {
		at = earliest(at, sa.rekeyAt, sa.hardAt, sa.dropAt, sa.reassemblyUntil(), sa.promiseUntil())
		if sa.out != nil {
			at = earliest(at, sa.out.next)
		}
	}
	for _, c := range s.children {
		at = earliest(at, c.rekeyAt, c.hardAt, c.removeAt)
	}
	for _, p := range s.postponed {
		at = earliest(at, p.at)
	}
	e.timers.set(&s.timer, at)
}

// tickSession does what is due for s.
func (e *Engine) tickSession(s *session, now time.Time) {
	defer e.arm(s)
	switch {
	case due(s.closeBy, now):
		e.lastWord(s)
		e.end(s, *s.closing, now)
		return
	case due(s.halfBy, now) && s.state == sessionUp:
		s.halfBy = time.Time{}
		e.closeSession(s, ending{reason: "no child SA was agreed on"}, now)
		return
	case due(s.halfBy, now):
		e.end(s, ending{silent: true}, now)
		return
	case s.wait != nil && due(s.wait.by, now):
		s.wait.expired(now)
		return
	case s.init != nil && due(s.init.failAt, now):
		e.fail(s, &Error{Peer: s.name, Stage: StageInit, Reason: s.init.reason, Notify: s.init.notify}, now)
		return
	}
	for _, sa := range slices.Clone(s.sas) {
		e.tickSA(sa, now)
	}
	for _, c := range slices.Clone(s.children) {
		e.tickChild(s, c, now)
	}
	e.tickPostponed(s, now)
	e.tickReauth(s, now)
	if due(s.livenessAt(), now) {
		e.checkLiveness(s, now)
	}
}

func (e *Engine) tickSA(sa *ikeSA, now time.Time) {
	e.retransmit(sa, now)
	sa.expireReassembly(now)
	e.breakPromises(sa, func(p *promise) bool { return due(p.until, now) })
	s := sa.sess
	switch {
	case sa.state == saClosed:
	case due(sa.dropAt, now):
		e.closeSA(sa, now)
	case sa == s.cur && s.state == sessionUp && due(sa.hardAt, now):
		sa.hardAt = time.Time{}
		e.closeSession(s, ending{reason: "IKE SA lifetime is over and rekeying failed"}, now)
	case sa == s.cur && s.state == sessionUp && due(sa.rekeyAt, now):
		e.rekeyIKEDue(s, now)
	}
}

// rekeyIKEDue rekeys the IKE SA of s, or puts that off for another layer of its
// chain.
func (e *Engine) rekeyIKEDue(s *session, now time.Time) {
	sa := s.cur
	sa.rekeyAt = time.Time{}
	queued := slices.ContainsFunc(sa.queue, func(t task) bool { _, ok := t.(*rekeyIKE); return ok })
	switch {
	case queued || s.rekeyingIKE():
	case e.waits(s, sa.hardAt, s.rekey.IKE/4, now):
		sa.rekeyAt = e.chainRetry(now)
	default:
		e.enqueue(sa, &rekeyIKE{}, now)
	}
}

// closeSession sends a DELETE and ends the session when it is answered, or
// after the short time that Options.Delete allows.
func (e *Engine) closeSession(s *session, why ending, now time.Time) {
	defer e.arm(s)
	if s.state == sessionClosing {
		return
	}
	if s.cur == nil || s.cur.state == saInit || s.state == sessionHalfOpen {
		e.end(s, why, now)
		return
	}
	if o := s.reauth.succ; o != nil && s.reauth.retireAt.IsZero() {
		e.closeSession(o, why, now)
	}
	s.state, s.closing = sessionClosing, &why
	s.reauth.at, s.reauth.retireAt, s.reauth.takeAt = time.Time{}, time.Time{}, time.Time{}
	s.closeBy = now.Add(e.opt.Delete.total())
	for _, c := range s.children {
		c.rekeyAt, c.hardAt = time.Time{}, time.Time{}
	}
	s.cur.rekeyAt, s.cur.hardAt = time.Time{}, time.Time{}
	queue := s.cur.queue
	s.cur.queue, s.postponed = nil, nil
	for _, t := range queue {
		t.dropped(e, s.cur, now)
	}
	e.enqueue(s.cur, &deleteIKE{}, now)
}

// total is how long all tries take.
func (r Retransmit) total() time.Duration {
	var d time.Duration
	for i := range r.Tries {
		d += r.wait(i + 1)
	}
	return d
}

// fail ends a session that never was up.
func (e *Engine) fail(s *session, err *Error, now time.Time) {
	e.end(s, ending{err: err}, now)
}

// end forgets the session: children, IKE SAs, leases, and says so once.
func (e *Engine) end(s *session, why ending, now time.Time) {
	if e.sessions[s.id] != s {
		return
	}
	delete(e.sessions, s.id)
	e.order = slices.DeleteFunc(e.order, func(o *session) bool { return o == s })
	e.forgetPair(s)
	if s.closing != nil {
		why = *s.closing
	}
	for _, c := range slices.Clone(s.children) {
		if !why.silent && e.bequeath(s, c, now) {
			continue
		}
		e.removeChild(s, c, removal{down: c.sending, byPeer: why.byPeer, reason: why.text(), silent: why.silent}, now)
	}
	s.dropWait()
	e.settleTickets(s, why, now)
	e.settleCandidates(s, now)
	for _, sa := range slices.Clone(s.sas) {
		e.closeSA(sa, now)
	}
	s.wipe()
	e.releaseLeases(s)
	e.timers.set(&s.timer, time.Time{})
	e.announceEnd(s, why, now)
	e.unlink(s, why, now)
}

func (why ending) text() string {
	if why.err != nil {
		return why.err.Error()
	}
	return why.reason
}

func (e *Engine) announceEnd(s *session, why ending, now time.Time) {
	args := []any{"session", s.label(), "id", uint64(s.id), "reason", why.text()}
	if s.state == sessionHalfOpen {
		e.strangers.line(now, slog.LevelDebug, "ike: session ends", args...)
	} else {
		e.opt.Log.Debug("ike: session ends", args...)
	}
	switch {
	case why.silent:
	case why.err != nil:
		f := SessionFailed{ID: s.id, Name: s.name, Stage: why.err.Stage, Err: why.err}
		if why.err.Notify != 0 {
			f.PeerReason = why.err.Notify.String()
		}
		e.emit(f)
	default:
		e.emit(SessionDown{ID: s.id, Name: s.name, Remote: s.remoteID, Reason: why.reason, ByPeer: why.byPeer})
	}
}

// wipe clears what is secret in s beyond its IKE SAs.
func (s *session) wipe() {
	if s.half != nil {
		s.half.mixed.Wipe()
		s.half = nil
	}
	if s.auth != nil {
		s.auth.wipe()
	}
	s.closeEAP()
}

// up marks the session as authenticated.
func (e *Engine) up(s *session, now time.Time) {
	s.state = sessionUp
	s.established, s.lastIn = now, now
	if !s.initiator {
		e.acquaint(s)
	}
	s.halfBy = time.Time{}
	s.half = nil
	e.settleCandidates(s, now)
	e.setHalfOpen(s.cur, false)
	s.cur.state = saUp
	if s.resumption.used {
		e.age(s.cur, s.cur.exchanged)
	} else {
		e.age(s.cur, now)
	}
	if s.mixed && !s.resumption.used {
		e.leaveFirst(s, now)
	}
	s.reauth.at = e.reauthTime(s, now)
	if s.auth != nil {
		s.auth.wipe()
	}
	s.closeEAP()
	e.emit(SessionUp{ID: s.id, Name: s.name, Initiator: s.initiator, Remote: s.remoteID, Path: s.path, Resumed: s.resumption.used, Certificate: s.proofs.cert})
}

func (e *Engine) session(id SessionID) (*session, error) {
	if s := e.sessions[id]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("ike: no session %d", id)
}

func (s *session) info() SessionInfo {
	i := SessionInfo{
		ID: s.id, Name: s.name, Initiator: s.initiator,
		State: [...]string{"connecting", "half-open", "up", "closing"}[s.state],
		Local: s.localID, Remote: s.remoteID, Path: s.path, NATT: s.natt, Encap: s.encap,
		SPIi: uint64(s.cur.spiI), SPIr: uint64(s.cur.spiR),
		Lease4: s.lease4, Lease6: s.lease6, Established: s.established, Rekeys: s.rekeys, Reauths: s.reauth.count, MOBIKE: s.mob.on, PPK: s.mixed,
		Resumed: s.resumption.used,
	}
	if s.state == sessionUp || s.state == sessionClosing {
		i.OwnProof, i.PeerProof, i.Certificate = s.proofs.own, s.proofs.peers, s.proofs.cert
		i.Fragments, i.RekeyAt, i.ReauthAt = s.support.fragments, s.cur.rekeyAt, s.reauth.at
	}
	if s.cur.sk != nil {
		i.Suite = s.cur.choice.String()
	}
	for _, c := range s.children {
		i.Children = append(i.Children, c.describe())
	}
	return i
}
