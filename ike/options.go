package ike

import (
	"cmp"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"warren/esp"
)

// Retransmit says how often and how long a request is repeated
// (RFC 7296, Section 2.1).
type Retransmit struct {
	// Tries counts the first transmission too.
	Tries int

	// Base is the wait after the first transmission. Each further wait is
	// Factor times longer, up to Max.
	Base   time.Duration
	Factor float64
	Max    time.Duration
}

// Options tunes an Engine. AllocSPI and FreeSPI are required; every other zero
// value is right for a production node.
type Options struct {
	// Rand gives nonces, SPIs, cookies and ephemeral keys. Nil means
	// crypto/rand.
	Rand io.Reader

	// AllocSPI reserves an inbound ESP SPI, FreeSPI gives one back. Every SPI
	// is freed exactly once, after the ChildRemoved event that names it, or
	// without any event when its child SA never came to be.
	AllocSPI func() (esp.SPI, error)
	FreeSPI  func(esp.SPI)

	// Accept lists what this node answers as a responder, best match first.
	// Empty means that it answers nobody.
	Accept []AcceptConfig

	// Addresses are all addresses at which this node answers, if peers are to
	// know more than the one they came to (RFC 4555, Section 3.4).
	Addresses []netip.Addr

	// MTU is the largest IP packet that goes by a path, or 0 where that is not
	// known. Messages that would be larger go in fragments (RFC 7383). Nil
	// knows nothing.
	MTU func(Path) int

	// Log gets protocol events, never a secret. Nil discards them.
	Log *slog.Logger

	// Retransmit is for every request but those below. Zero means 5 tries
	// from 500 ms, doubling up to 8 s: 15.5 s.
	Retransmit Retransmit

	// Liveness is for liveness checks. Zero means 5 tries from 500 ms,
	// doubling up to 2 s: 7.5 s.
	Liveness Retransmit

	// Delete is for the DELETE of an IKE SA, which need not wait long for its
	// answer. Zero means 3 tries from 400 ms, doubling up to 1 s: 2.2 s.
	Delete Retransmit

	// InitErrorGrace is how long an initiator waits for a better answer after
	// a NO_PROPOSAL_CHOSEN, which nobody has authenticated (RFC 7296, Section
	// 2.21.1). Zero means 1.2 s.
	InitErrorGrace time.Duration

	// CookieThreshold is the number of half-open IKE SAs from which on a
	// responder asks for cookies (RFC 7296, Section 2.6). Zero means 64,
	// negative means always. A source with several half-open IKE SAs of its own
	// is asked for them in any case.
	CookieThreshold int

	// InitRate is how many IKE_SA_INIT requests a second are answered to one
	// address or IPv6 /64 that has not returned a cookie, so that nobody is
	// flooded with answers to requests in his name (RFC 8019, Section 4.2).
	// Zero means 64.
	InitRate int

	// MaxHalfOpen bounds the half-open IKE SAs of a responder. Zero means
	// 1024. Beyond it even requests with a good cookie are dropped, and beyond
	// an eighth of it, but at least 16, those from one address or IPv6 /64.
	MaxHalfOpen int

	// MaxChildren bounds the child SAs of a session, with those that are being
	// replaced or still linger: a peer that asks for more gets NO_ADDITIONAL_SAS.
	// Zero means 32.
	MaxChildren int

	// MaxDepth bounds the tunnels inside one another that peers may open. Zero
	// means 8. A transport association may be inside the last.
	MaxDepth int

	// HalfOpenTime is how long a responder waits for IKE_AUTH. Zero means 20 s.
	HalfOpenTime time.Duration

	// ChildlessTime is how long a session may be without its first child SA. Zero
	// means 1 min.
	ChildlessTime time.Duration

	// CRLWait is how long an IKE_AUTH waits for the revocation lists that
	// CRLWanted asked for. Zero means 8 s.
	CRLWait time.Duration

	// GuessDelay is how long the answer to a wrong user name or password is held
	// back. Zero means 2 s.
	GuessDelay time.Duration

	// Linger is how long a replaced inbound SA still takes late packets, and
	// how long a closed IKE SA still repeats its last response. Zero means 5 s.
	Linger time.Duration

	// RetryAfter is the wait before a rekey that was refused with
	// TEMPORARY_FAILURE or another error is tried again. Zero means 5 s, with
	// up to half of it added at random.
	RetryAfter time.Duration

	// UnprotectedReplies bounds the error replies per second to messages
	// outside any IKE SA (RFC 7296, Section 2.21.4). Zero means 10, negative
	// none.
	UnprotectedReplies int
}

func defaultRetransmit() Retransmit { return Retransmit{5, 500 * time.Millisecond, 2, 8 * time.Second} }

// withDefaults returns o with its zeros filled in, or what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	if o.AllocSPI == nil || o.FreeSPI == nil {
		return o, errors.New("ike: Options need AllocSPI and FreeSPI")
	}
	var err error
	if o.Accept, err = checkAccept(o.Accept); err != nil {
		return o, err
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Retransmit = o.Retransmit.withDefaults(defaultRetransmit())
	o.Liveness = o.Liveness.withDefaults(Retransmit{5, 500 * time.Millisecond, 2, 2 * time.Second})
	o.Delete = o.Delete.withDefaults(Retransmit{3, 400 * time.Millisecond, 2, time.Second})
	o.InitErrorGrace = cmp.Or(o.InitErrorGrace, 1200*time.Millisecond)
	o.CookieThreshold = cmp.Or(o.CookieThreshold, 64)
	o.InitRate = cmp.Or(o.InitRate, 64)
	o.MaxHalfOpen = cmp.Or(o.MaxHalfOpen, 1024)
	o.MaxChildren = cmp.Or(o.MaxChildren, 32)
	o.MaxDepth = cmp.Or(o.MaxDepth, 8)
	o.HalfOpenTime = cmp.Or(o.HalfOpenTime, 20*time.Second)
	o.ChildlessTime = cmp.Or(o.ChildlessTime, time.Minute)
	o.CRLWait = cmp.Or(o.CRLWait, 8*time.Second)
	o.GuessDelay = cmp.Or(o.GuessDelay, 2*time.Second)
	o.Linger = cmp.Or(o.Linger, 5*time.Second)
	o.RetryAfter = cmp.Or(o.RetryAfter, 5*time.Second)
	o.UnprotectedReplies = cmp.Or(o.UnprotectedReplies, 10)
	return o, nil
}

func (r Retransmit) withDefaults(d Retransmit) Retransmit {
	r.Tries = cmp.Or(max(r.Tries, 0), d.Tries)
	r.Base = cmp.Or(max(r.Base, 0), d.Base)
	r.Factor = cmp.Or(max(r.Factor, 0), d.Factor)
	r.Max = max(cmp.Or(max(r.Max, 0), d.Max), r.Base)
	return r
}

// wait returns the pause after the try-th transmission, counted from 1.
func (r Retransmit) wait(try int) time.Duration {
	d := float64(r.Base)
	for range try - 1 {
		if d = d * max(r.Factor, 1); d >= float64(r.Max) {
			return r.Max
		}
	}
	return time.Duration(d)
}
