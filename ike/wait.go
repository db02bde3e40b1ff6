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

// A wait is an IKE_AUTH that stands still until the caller has fetched
// revocation lists.
type wait struct {
	urls   []string
	resume func(now time.Time)
	drop   func() // the session ends before
	by     time.Time
}

// await asks the caller for lists. The session goes on with w.resume.
func (e *Engine) await(s *session, lists *crlWait, w *wait, now time.Time) {
	w.urls, w.by = lists.urls, now.Add(e.opt.CRLWait)
	s.wait = w
	e.emit(CRLWanted{Session: s.id, Trust: lists.store, URLs: lists.urls, Waits: true})
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
	if s == nil || s.wait == nil {
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

// waitedOut ends a session for which nobody fetched the lists.
func (e *Engine) waitedOut(s *session, now time.Time) {
	e.fail(s, &Error{Peer: s.name, Stage: StageAuth,
		Reason: fmt.Sprintf("no revocation list came from %s in %v", strings.Join(s.wait.urls, ", "), e.opt.CRLWait)}, now)
}
