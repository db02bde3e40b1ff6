package trust

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Revocation says what must be known of a certificate's revocation.
type Revocation uint8

const (
	// Soft refuses what is known to be revoked, and lets pass what nothing can
	// be learned of.
	Soft Revocation = iota

	// Strict wants a current list of every issuer but the trust anchors' own.
	Strict

	// Off asks for no list. Those from files still count.
	Off
)

func (r Revocation) String() string {
	return [...]string{"soft", "strict", "off"}[r]
}

// retryFetch is how long a URL that gave no list is left alone.
const retryFetch = time.Minute

// Bounds on what certificates can have a store remember and ask for.
const (
	maxSources   = 64 // URLs of a store
	maxPoints    = 4  // URLs of a certificate
	maxURLLength = 1024
)

// A source is a URL where an issuer's list is.
type source struct {
	from  *x509.Certificate
	tried time.Time
	why   string // it gave none
}

// Wants are the URLs that a store would like to have the lists from. The caller
// hands over what it gets with Fetched.
type Wants struct {
	Now   []string // nothing can be said before
	Later []string // there may be something newer
}

// Unknown is the error of Strict where a current list is missing.
type Unknown struct{ Reason string }

func (e *Unknown) Error() string { return e.Reason }

// Check says whether p was revoked. If it returns wants with URLs under Now, the
// answer is not known yet: fetch them, hand the results to Fetched, and ask
// again. It must be called only when the peer has proven to have the key of its
// certificate, so that nobody else can make this node open connections.
func (s *Store) Check(p *Peer, now time.Time) (Wants, error) {
	var first error
	var wants Wants
	for _, chain := range p.chains { // one good path is enough
		w, err := s.checkChain(chain, now)
		if err == nil {
			wants.Later = append(wants.Later, w.Later...)
			if len(w.Now) == 0 {
				return Wants{Later: wants.Later}, nil
			}
			wants.Now = append(wants.Now, w.Now...)
			continue
		}
		if first == nil {
			first = err
		}
	}
	if len(wants.Now) > 0 {
		return wants, nil
	}
	return wants, first
}

func (s *Store) checkChain(chain []*x509.Certificate, now time.Time) (w Wants, err error) {
	var missing error
	for i, c := range chain[:len(chain)-1] {
		from := chain[i+1]
		l := s.listOf(from)
		if l != nil {
			if at, ok := l.revoked[string(c.SerialNumber.Bytes())]; ok {
				return Wants{}, fmt.Errorf("certificate of %s was revoked on %s", Describe(c), at.UTC().Format(time.DateOnly))
			}
		}
		switch {
		case l != nil && l.current(now):
			if l.aging(now) {
				w.Later = append(w.Later, s.ask(c, from, now)...)
			}
		case s.policy == Off:
		default:
			urls := s.ask(c, from, now)
			if w.Now = append(w.Now, urls...); len(urls) == 0 && s.policy == Strict && missing == nil {
				missing = &Unknown{s.whyMissing(c, from, l, now)}
			}
		}
	}
	if missing != nil {
		return Wants{}, missing
	}
	return w, nil
}

// ask returns the URLs where c says that the list of from is, but for those that
// were tried just now.
func (s *Store) ask(c, from *x509.Certificate, now time.Time) []string {
	var urls []string
	for _, u := range points(c) {
		src := s.sources[u]
		if src == nil {
			if len(s.sources) >= maxSources && !s.dropSource(now) {
				continue
			}
			src = &source{from: from}
			s.sources[u] = src
		}
		if src.tried.IsZero() || now.Sub(src.tried) >= retryFetch || now.Before(src.tried) {
			src.from = from
			urls = append(urls, u)
		}
	}
	return urls
}

// dropSource makes room for another URL, at the cost of one that may be tried
// again anyway.
func (s *Store) dropSource(now time.Time) bool {
	for u, src := range s.sources {
		if !src.tried.IsZero() && now.Sub(src.tried) >= retryFetch {
			delete(s.sources, u)
			return true
		}
	}
	return false
}

// points are the distribution points of c that can be fetched from.
func points(c *x509.Certificate) []string {
	var urls []string
	for _, p := range c.CRLDistributionPoints {
		u, err := url.Parse(p)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
			len(p) <= maxURLLength && len(urls) < maxPoints && !slices.Contains(urls, p) {
			urls = append(urls, p)
		}
	}
	return urls
}

func (s *Store) whyMissing(c, from *x509.Certificate, l *list, now time.Time) string {
	reason := "there is none"
	if l != nil {
		reason = "the one at hand was good until " + l.next.UTC().Format(time.RFC3339)
		if now.Before(l.this) {
			reason = "the one at hand is good from " + l.this.UTC().Format(time.RFC3339)
		}
	}
	for _, u := range points(c) {
		if src := s.sources[u]; src != nil && src.why != "" {
			reason += fmt.Sprintf("; %s: %s", u, src.why)
		}
	}
	return fmt.Sprintf("revocation is strict, and no current list of %s is known: %s", Subject(from), reason)
}

// Fetched hands over what url gave, or why it gave nothing, and returns why that
// is not a list that was asked for.
func (s *Store) Fetched(url string, data []byte, err error, now time.Time) error {
	src := s.sources[url]
	if src == nil {
		return nil // given up meanwhile
	}
	src.tried, src.why = now, ""
	if err == nil {
		err = s.take(url, data, src.from, now)
	}
	if err != nil {
		src.why = err.Error()
	}
	return err
}

func (s *Store) take(url string, data []byte, from *x509.Certificate, now time.Time) error {
	l, err := ParseCRL(data)
	if err != nil {
		return err
	}
	if err := s.adopt(l, from, now); err != nil {
		return err
	}
	s.lists[issuerOf(from)].url = url
	return nil
}

// A FetchedList describes a revocation list that was fetched.
type FetchedList struct {
	Term
	Issuer, URL string
	Number      string // empty without one
}

// FetchedLists are the lists that the store has from URLs, by these.
func (s *Store) FetchedLists() []FetchedList {
	var out []FetchedList
	for from, l := range s.lists {
		if l.url != "" {
			out = append(out, FetchedList{Term{l.this, l.next}, name([]byte(from.subject)), l.url, l.number})
		}
	}
	slices.SortFunc(out, func(a, b FetchedList) int { return strings.Compare(a.URL, b.URL) })
	return out
}

// Inherit takes over the revocation lists that old has fetched and found to be
// signed by their issuers.
func (s *Store) Inherit(old *Store) {
	for from, l := range old.lists {
		if l.url != "" {
			s.lists[from] = l
		}
	}
	for u, src := range old.sources {
		own := *src
		s.sources[u] = &own
	}
}
