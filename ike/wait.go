package ike

import (
	"fmt"
	"strings"
	"time"

	"warren/ike/trust"
)

// A crlWait is the error of a proof that is good, if the certificate was not
// revoked since.
type crlWait struct {
	store *trust.Store
	urls  []string
}

func (w *crlWait) Error() string {
	return "revocation lists are missing: " + strings.Join(w.urls, ", ")
}

// A wait is an IKE_AUTH that stands still: until the caller has fetched revocation
// lists, or for a time.
type wait struct {
	resume  func(now time.Time) // when the lists are there; nil for none
	expired func(now time.Time) // when it is by, and Resume was not called
	drop    func()              // the session ends before
	by      time.Time
}

// await asks the caller for lists. The session goes on with resume, or ends.
func (e *Engine) await(s *session, lists *crlWait, resume func(now time.Time), drop func(), now time.Time) {
	s.wait = &wait{resume: resume, drop: drop, by: now.Add(e.opt.CRLWait), expired: func(now time.Time) {
		e.fail(s, &Error{Peer: s.name, Stage: StageAuth,
			Reason: fmt.Sprintf("no revocation list came from %s in %v", strings.Join(lists.urls, ", "), e.opt.CRLWait)}, now)
	}}
	e.emit(CRLWanted{Session: s.id, Trust: lists.store, URLs: lists.urls, Waits: true})
}

// pause has the session go on with resume after a time.
func (s *session) pause(d time.Duration, resume func(now time.Time), now time.Time) {
	s.wait = &wait{drop: func() {}, by: now.Add(d), expired: func(now time.Time) {
		s.wait = nil
		resume(now)
	}}
}

// dropWait is for the end of a session.
func (s *session) dropWait() {
	if w := s.wait; w != nil {
		s.wait = nil
		w.drop()
	}
}

// Resume goes on with a session that CRLWanted said to wait, after the lists, or
// why there are none, were handed to the store.
func (e *Engine) Resume(id SessionID, now time.Time) {
	s := e.sessions[id]
	if s == nil || s.wait == nil || s.wait.resume == nil {
		return
	}
	w := s.wait
	s.wait = nil
	w.resume(now)
	if e.sessions[id] == s {
		e.run(s.cur, now)
	}
	e.arm(s)
}
