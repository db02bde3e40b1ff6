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
	by     time.Time
}

// await asks the caller for lists. The session goes on with resume.
func (e *Engine) await(s *session, w *crlWait, resume func(now time.Time), now time.Time) {
	s.wait = &wait{urls: w.urls, resume: resume, by: now.Add(e.opt.CRLWait)}
	e.emit(CRLWanted{Session: s.id, Trust: w.store, URLs: w.urls, Waits: true})
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
