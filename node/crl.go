package node

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"warren/ike"
	"warren/ike/trust"
)

// A crlSource is where a store wants a revocation list from.
type crlSource struct {
	store *trust.Store
	url   string
}

// A crlWaiter is a session that goes on when so many of its lists are here, or
// known not to come.
type crlWaiter struct {
	session ike.SessionID
	missing int
}

// wantCRLs starts the downloads that the engine asks for and that are not under
// way.
func (n *Node) wantCRLs(e ike.CRLWanted) {
	urls := slices.Compact(slices.Sorted(slices.Values(e.URLs)))
	w := &crlWaiter{session: e.Session, missing: len(urls)}
	for _, u := range urls {
		src := crlSource{e.Trust, u}
		_, underWay := n.fetches[src]
		if e.Waits {
			n.fetches[src] = append(n.fetches[src], w)
		} else if !underWay {
			n.fetches[src] = nil
		}
		if !underWay {
			n.log.Debug("revocation list is fetched", "url", u)
			n.fetcher.start(u, func(data []byte, err error) {
				_ = n.do(func(now time.Time) { n.crlFetched(src, data, err, now) }) // a stopped node needs none
			})
		}
	}
}

// crlFetched hands over what came, and goes on with the sessions that waited.
func (n *Node) crlFetched(src crlSource, data []byte, err error, now time.Time) {
	if err := src.store.Fetched(src.url, data, err, now); err != nil {
		n.log.Warn("no revocation list", "url", src.url, "err", err)
	}
	waiters := n.fetches[src]
	delete(n.fetches, src)
	for _, w := range waiters {
		if w.missing--; w.missing == 0 {
			n.ike.Resume(w.session, now)
		}
	}
}

// fetchTime is how long a download may take. An initiator's IKE_AUTH outlives it.
const fetchTime = 4 * time.Second

// A fetcher downloads revocation lists. It goes the way of any application's
// traffic: what a rule protects is not sent in clear.
type fetcher struct {
	ctx    context.Context
	cancel context.CancelFunc
	client *http.Client
	wg     sync.WaitGroup
}

func newFetcher() *fetcher {
	f := &fetcher{client: &http.Client{
		Timeout:   fetchTime,
		Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return fmt.Errorf("node: too many redirects")
			}
			return nil
		},
	}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// start downloads url and calls done, from another goroutine.
func (f *fetcher) start(url string, done func(data []byte, err error)) {
	f.wg.Go(func() { done(f.fetch(url)) })
}

func (f *fetcher) fetch(url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(f.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("node: the server says %q", resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, trust.MaxCRL+1))
	if err == nil && len(data) > trust.MaxCRL {
		err = fmt.Errorf("node: it is larger than %d bytes", trust.MaxCRL)
	}
	return data, err
}

// close ends downloads under way. The loop has ended.
func (f *fetcher) close() error {
	f.cancel()
	f.wg.Wait()
	return nil
}
