package ike

import (
	"context"
	"log/slog"
	"time"
)

// A Refused is why a message was not taken. Every one that was not is counted
// under exactly one.
type Refused uint8

// The reasons.
const (
	RefusedMalformed    Refused = iota // no IKE message, or not one that may be answered
	RefusedVersion                     // of a higher major version
	RefusedSPI                         // for no IKE SA of this node
	RefusedLayer                       // through the wrong layer, or reflected
	RefusedNotAccepting                // IKE_SA_INIT, and this node answers nobody
	RefusedSourceRate                  // IKE_SA_INIT: too many from one source
	RefusedCookie                      // IKE_SA_INIT: was asked for a cookie
	RefusedHalfOpen                    // IKE_SA_INIT: too many half-open IKE SAs, in all or from one source
	RefusedInit                        // IKE_SA_INIT: no proposal chosen, another group, or a bad key exchange
	RefusedTicket                      // IKE_SESSION_RESUME: its ticket is not known, or not good any more
	RefusedOutOfWindow                 // a message id or exchange that is not due
	RefusedUnauthentic                 // its integrity check fails
	RefusedNotProven                   // IKE_AUTH: the peer is not who it says
	numRefused
)

// String is the reason's word.
func (r Refused) String() string {
	return [...]string{"malformed", "version", "spi", "layer", "not-accepting", "source-rate", "cookie", "half-open",
		"init", "ticket", "window", "unauthentic", "not-proven"}[r]
}

// Refusals counts the messages that were not taken, by reason.
func (e *Engine) Refusals() map[string]uint64 {
	out := make(map[string]uint64, numRefused)
	for r, n := range e.refused {
		out[Refused(r).String()] = n
	}
	return out
}

func (e *Engine) refuse(r Refused) { e.refused[r]++ }

// A strangerLog writes the lines that anyone may cause, so many a second at
// most, and then how many it left out.
type strangerLog struct {
	log    *slog.Logger
	rate   bucket
	missed int
}

// strangerLines is how many lines a second a strangerLog writes.
const strangerLines = 10

func (l *strangerLog) line(now time.Time, level slog.Level, msg string, args ...any) {
	ctx := context.Background()
	switch {
	case !l.log.Enabled(ctx, level):
		return
	case !l.rate.take(now, strangerLines):
		l.missed++
		return
	case l.missed > 0:
		l.log.Log(ctx, level, "ike: lines about strangers were left out", "count", l.missed)
		l.missed = 0
	}
	l.log.Log(ctx, level, msg, args...)
}
