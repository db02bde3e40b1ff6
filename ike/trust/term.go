package trust

import (
	"crypto/x509"
	"fmt"
	"math"
	"time"
)

const day = 24 * time.Hour

// thresholds are what is left of a term when people are warned.
var thresholds = [...]time.Duration{30 * day, 7 * day, day}

// Over is the level of a term that has ended.
const Over = len(thresholds) + 1

// A Term is the time that a certificate or a revocation list is good for.
type Term struct{ From, Until time.Time }

// TermOf is the term of a certificate.
func TermOf(c *x509.Certificate) Term { return Term{c.NotBefore, c.NotAfter} }

// ListTerm is the term of a revocation list.
func ListTerm(l *x509.RevocationList) Term { return Term{l.ThisUpdate, l.NextUpdate} }

// Level is how near the end is: 0 where there is time, 1, 2 and 3 where fewer than
// 30, 7 and 1 days are left, and Over. In the first half of a term there is time:
// what is good for a day is not always about to end.
func (t Term) Level(now time.Time) int {
	left := t.Until.Sub(now)
	switch {
	case left <= 0:
		return Over
	case left >= t.Until.Sub(t.From)/2:
		return 0
	}
	level := 0
	for _, limit := range thresholds {
		if left < limit {
			level++
		}
	}
	return level
}

// DaysLeft is how many whole days are left; negative beyond the end.
func (t Term) DaysLeft(now time.Time) int {
	return int(math.Floor(t.Until.Sub(now).Hours() / 24))
}

// Left words what is left.
func (t Term) Left(now time.Time) string {
	switch left := t.Until.Sub(now); {
	case left <= 0:
		return "has expired on " + t.Until.UTC().Format(time.RFC3339)
	case left < 2*day:
		return "expires in " + left.Round(time.Minute).String()
	}
	return fmt.Sprintf("expires in %d days", t.DaysLeft(now))
}
