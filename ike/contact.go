package ike

import (
	"fmt"
	"slices"
	"time"
)

// A pairing is the two identities of a session, in what all their spellings have in
// common.
type pairing struct{ local, remote ID }

func (s *session) pairing() pairing { return pairing{s.localID.key(), s.remoteID.key()} }

// acquaint notes the identities of s, which are certain from now on.
func (e *Engine) acquaint(s *session) {
	s.pair = s.pairing()
	e.pairs[s.pair] = append(e.pairs[s.pair], s)
}

// forgetPair forgets them again.
func (e *Engine) forgetPair(s *session) {
	others := slices.DeleteFunc(e.pairs[s.pair], func(o *session) bool { return o == s })
	if e.pairs[s.pair] = others; len(others) == 0 {
		delete(e.pairs, s.pair)
	}
}

// onlySession reports whether s is the only session between its two
// identities, so that INITIAL_CONTACT is true (RFC 7296, Section 2.4). Identities
// that meet in several layers of a chain have several.
func (e *Engine) onlySession(s *session) bool {
	return !slices.ContainsFunc(e.pairs[s.pairing()], func(o *session) bool { return o != s })
}

// outdate ends the sessions that the INITIAL_CONTACT of s makes void, in silence:
// whoever had them has forgotten them (RFC 7296, Section 2.4). Those are all between
// the same identities, whichever end opened them and however deep they are, but
// neither those that s comes through nor those that are younger than its
// IKE_SA_INIT: its IKE_AUTH may have been under way for long, and the peer may have
// opened others since.
func (e *Engine) outdate(s *session, now time.Time) {
	carriers := e.carriers(s)
	for _, o := range slices.Clone(e.pairs[s.pairing()]) {
		if o == s || o.established.IsZero() || o.established.After(s.cur.born) || slices.Contains(carriers, o) {
			continue
		}
		e.end(o, ending{reason: fmt.Sprintf("%v came back with INITIAL_CONTACT", s.remoteID), byPeer: true}, now)
	}
}

// maxTwins bounds the sessions of one identity.
const maxTwins = 16

// thin makes room for one more session beside twins, which are the oldest first.
func (e *Engine) thin(twins []*session, now time.Time) {
	twins = slices.DeleteFunc(twins, func(o *session) bool { return o.state == sessionClosing })
	if len(twins) >= maxTwins {
		e.closeSession(twins[0], ending{reason: fmt.Sprintf("%v has too many sessions", twins[0].remoteID)}, now)
	}
}

// twins lists the sessions that peers opened with the same two identities as s, but
// not those that it came through.
func (e *Engine) twins(s *session) []*session {
	carriers := e.carriers(s)
	var old []*session
	for _, o := range e.pairs[s.pairing()] {
		if o != s && !o.initiator && !slices.Contains(carriers, o) {
			old = append(old, o)
		}
	}
	return old
}
