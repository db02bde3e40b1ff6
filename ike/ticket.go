package ike

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"warren/ike/crypt"
)

// A ticket is what is kept of an IKE SA to resume its session when that was
// interrupted (RFC 5723). It is by reference: a responder knows its tickets by a
// digest of 32 random octets, which are all that it gives away, and each is for one
// use. An initiator keeps a ticket with its session, and when that is interrupted
// for later. Both keep them in memory only.
//
// A key exchange and a proof of identity serve no longer for having been resumed: a
// ticket ends when the IKE SA would have been rekeyed, the session authenticated
// anew, or a certificate ended.
type ticket struct {
	ref   []byte            // as initiator: what the responder knows it by
	key   [sha256.Size]byte // as responder: of that
	seed  crypt.Resumption
	until time.Time

	local, remote ID
	proof         proof
	exchanged     time.Time // the last key exchange
	authenticated time.Time // the last proof of identity by credentials

	session        SessionID  // as responder: whose it is, or was
	name           string     // as initiator: of the PeerConfig
	gateway        netip.Addr // and where that is
	lease4, lease6 netip.Addr
}

// proof is what a session's authentication relies on.
type proof struct {
	certs   [][]byte          // of the peer; nil where a pre-shared key proved it
	secrets [sha256.Size]byte // a digest of the pre-shared keys
	ppk     string            // the id of the one in use (RFC 8784)
	ends    time.Time         // of the certificates of both sides
	shown   proofs            // for people
}

// resumption is what a session has to do with tickets.
type resumption struct {
	ticket *ticket // for when it is interrupted
	spare  *ticket // as initiator: taken to resume with, and not used so far
	proof  proof
	since  time.Time // as ticket.authenticated
	used   bool      // it was resumed
	offers bool      // as initiator: the peer gives tickets
}

const (
	refLen = 32

	// maxRef is the longest ticket that is kept: IKE_SESSION_RESUME cannot be
	// fragmented (RFC 7383, Section 4).
	maxRef = 1024

	// ticketLife is for a ticket of an IKE SA that is never rekeyed, and maxTicket
	// bounds all others (RFC 5723, Section 6.2).
	ticketLife = 4 * time.Hour
	maxTicket  = 24 * time.Hour

	// maxKept bounds the tickets of interrupted sessions that an initiator keeps,
	// and maxIssued those that a responder knows.
	maxKept   = 256
	maxIssued = 1 << 16

	// sweepEvery is how often tickets that have ended are forgotten.
	sweepEvery = time.Minute
)

// tickets are those of an engine.
type tickets struct {
	issued  map[[sha256.Size]byte]*ticket
	kept    []*ticket // of interrupted sessions, the oldest first
	sweeper timer
	pepper  []byte // makes digests of secrets useless elsewhere
}

// newTicket copies what it takes to resume s, as long as r allows.
func (e *Engine) newTicket(s *session, r Rekey) (*ticket, error) {
	seed, err := s.cur.keys.Resumption()
	if err != nil {
		return nil, err
	}
	t := &ticket{seed: seed, local: s.localID, remote: s.remoteID, proof: s.resumption.proof,
		exchanged: s.cur.exchanged, authenticated: s.resumption.since, lease4: s.lease4, lease6: s.lease6}
	t.until = t.endsBy(r)
	return t, nil
}

// endsBy is how long t lasts under r.
func (t *ticket) endsBy(r Rekey) time.Time {
	life := r.IKE
	if life <= 0 {
		life = ticketLife
	}
	end := t.exchanged.Add(min(life, maxTicket))
	return earliest(end, after(t.authenticated, r.Reauth), t.proof.ends)
}

// ended reports whether t must not be used any more.
func (t *ticket) ended(now time.Time) bool { return due(t.until, now) }

func (t *ticket) wipe() {
	if t != nil {
		t.seed.Wipe()
	}
}

// digest is of the secrets that both sides of a session share.
func (e *Engine) digest(c *credentials) (sum [sha256.Size]byte, err error) {
	if e.tickets.pepper == nil {
		if e.tickets.pepper, err = e.random(sha256.Size); err != nil {
			return sum, err
		}
	}
	h := hmac.New(sha256.New, e.tickets.pepper)
	for _, b := range [][]byte{c.psk, []byte(c.ppk.ID), c.ppk.Secret} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// proven notes what the authentication of s, by c, relies on.
func (e *Engine) proven(s *session, c *credentials, now time.Time) {
	r := &s.resumption
	r.since, r.proof.ends, r.proof.shown = now, s.reauth.ends, s.proofs
	if s.initiator && !s.wantsTicket() || !s.initiator && !s.accept.gives() {
		r.proof.certs = nil // there will be no ticket
		return
	}
	if s.mixed {
		r.proof.ppk = c.ppk.ID
	} else {
		unused := *c
		unused.ppk = PPK{}
		c = &unused
	}
	r.proof.secrets, _ = e.digest(c) // without randomness there are no tickets either
}

// resumed has s go on where the session of t was interrupted.
func (s *session) resumed(t *ticket) {
	s.resumption.used, s.resumption.since, s.resumption.proof = true, t.authenticated, t.proof
	s.reauth.ends, s.mixed, s.proofs = t.proof.ends, t.proof.ppk != "", t.proof.shown
	s.cur.exchanged = t.exchanged
}

// settleTickets decides what is kept of a session that ends.
func (e *Engine) settleTickets(s *session, why ending, now time.Time) {
	r := &s.resumption
	t, spare := r.ticket, r.spare
	r.ticket, r.spare = nil, nil
	switch {
	case !s.initiator && t != nil && !why.interrupted:
		e.revoke(t)
	case s.initiator && t != nil && why.interrupted:
		e.keep(t, now)
	case s.initiator:
		t.wipe()
	}
	if spare != nil {
		e.keep(spare, now)
	}
}

// keep is for the ticket of an interrupted session.
func (e *Engine) keep(t *ticket, now time.Time) {
	k := &e.tickets
	if len(k.kept) == maxKept {
		k.kept[0].wipe()
		k.kept = slices.Delete(k.kept, 0, 1)
	}
	k.kept = append(k.kept, t)
	e.sweepLater(now)
}

// revoke has this node not know a ticket any more that it gave.
func (e *Engine) revoke(t *ticket) {
	if e.tickets.issued[t.key] == t {
		delete(e.tickets.issued, t.key)
		t.wipe()
	}
}

// sweepLater has tickets that end forgotten in time.
func (e *Engine) sweepLater(now time.Time) {
	k := &e.tickets
	if k.sweeper.fire == nil {
		k.sweeper = timer{index: -1, fire: e.sweepTickets}
	}
	if k.sweeper.index < 0 {
		e.timers.set(&k.sweeper, now.Add(sweepEvery))
	}
}

func (e *Engine) sweepTickets(now time.Time) {
	k := &e.tickets
	for _, t := range k.issued {
		if t.ended(now) {
			e.revoke(t)
		}
	}
	k.kept = slices.DeleteFunc(k.kept, func(t *ticket) bool {
		if t.ended(now) {
			t.wipe()
			return true
		}
		return false
	})
	if len(k.issued)+len(k.kept) > 0 {
		e.sweepLater(now)
	}
}
