package itest

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"warren/lab"
)

// rowsAtOnce is how many rows are under way at a time: they mostly wait.
const rowsAtOnce = 16

// TestInterop has warren and strongSwan make a session for each row: packets go both
// ways, SAs are rekeyed, packets go both ways again, and the initiator deletes it all.
func TestInterop(t *testing.T) {
	need(t, "swanctl", "nsenter", "ip", "ping")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var parts []*part
	for _, rows := range interopParts() {
		parts = append(parts, newPart(ctx, t, rows))
	}
	results := runParts(ctx, parts)
	for _, r := range interopRows() {
		t.Run(r.String(), func(t *testing.T) { must(t, results[r]) })
	}
	document(t, results)
}

// interopParts are the rows, together those that the same two daemons can do.
func interopParts() [][]row {
	type kind struct {
		initiator string
		old       bool
	}
	var kinds []kind
	parts := map[kind][]row{}
	for _, r := range interopRows() {
		k := kind{r.initiator, r.beside == asOld}
		if parts[k] == nil {
			kinds = append(kinds, k)
		}
		parts[k] = append(parts[k], r)
	}
	var out [][]row
	for _, k := range kinds {
		out = append(out, parts[k])
	}
	return out
}

// runParts runs all parts at once, and says what went wrong with each row.
func runParts(ctx context.Context, parts []*part) map[row]error {
	results := map[row]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(func() {
			errs := p.runAll(ctx)
			mu.Lock()
			defer mu.Unlock()
			for i, r := range p.rows {
				results[r] = errs[i]
			}
		})
	}
	wg.Wait()
	return results
}

// runAll runs the rows of a part, several at a time, and says what went wrong
// with each.
func (p *part) runAll(ctx context.Context) []error {
	errs := make([]error, len(p.rows))
	slots := make(chan struct{}, rowsAtOnce)
	var wg sync.WaitGroup
	for i, r := range p.rows {
		if r.alone() {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = p.run(ctx, i+1)
		})
	}
	wg.Wait()
	for i, r := range p.rows {
		if r.alone() {
			errs[i] = p.run(ctx, i+1)
		}
	}
	return errs
}

// run is the life of the session of the n-th row.
func (p *part) run(ctx context.Context, n int) error {
	r, name := p.rows[n-1], nameOf(n)
	check, err := p.besides(ctx, n)
	if err != nil {
		return err
	}
	if err := p.initiator.up(ctx, name); err != nil {
		return err
	}
	first, err := p.settled(ctx, name, func(session) bool { return true })
	if err != nil {
		return fmt.Errorf("after IKE_AUTH: %w", err)
	}
	if first.suite != charonWords(r.proposal()) {
		return fmt.Errorf("the suite is %s", first.suite)
	}
	if err := p.carries(ctx, n, first.vip); err != nil {
		return fmt.Errorf("at first: %w", err)
	}
	if err := check(); err != nil {
		return err
	}
	last, err := p.rekey(ctx, n, first)
	if err != nil {
		return err
	}
	if last.suite != first.suite || last.child != charonWords(r.espProposal()) {
		return fmt.Errorf("the suites of rekeyed SAs are %s and %s", last.suite, last.child)
	}
	if err := p.carries(ctx, n, last.vip); err != nil {
		return fmt.Errorf("after the rekeys: %w", err)
	}
	if err := p.initiator.down(ctx, name); err != nil {
		return err
	}
	return p.gone(ctx, name)
}

// A renewal is one rekey.
type renewal struct {
	by  string
	ike bool // of the IKE SA, else of the child SA
}

// renewals are the rekeys of a row, in their order. warren does them by time, so
// where both do, strongSwan's are around them.
func (r row) renewals() []renewal {
	if r.rekeys == byBoth {
		return []renewal{{byStrongSwan, false}, {byWarren, false}, {byWarren, true}, {byStrongSwan, true}}
	}
	return []renewal{{r.rekeys, false}, {r.rekeys, true}}
}

// rekey goes through the rekeys of a row.
func (p *part) rekey(ctx context.Context, n int, s session) (session, error) {
	for _, next := range p.rows[n-1].renewals() {
		if err := p.ask(ctx, n, next); err != nil {
			return s, err
		}
		fresh, err := p.settled(ctx, nameOf(n), func(now session) bool { return next.ike && now.ike != s.ike || !next.ike && now.in != s.in })
		if err != nil {
			return s, fmt.Errorf("%+v: %w", next, err)
		}
		s = fresh
	}
	return s, nil
}

// ask has strongSwan begin a rekey; warren needs no telling.
func (p *part) ask(ctx context.Context, n int, r renewal) error {
	switch {
	case r.by == byWarren:
		return nil
	case r.ike:
		return p.charon.RekeyIKE(ctx, nameOf(n))
	}
	return p.charon.RekeyChild(ctx, nameOf(n))
}

// settled waits until both ends agree on a session that is as wanted, and returns
// it as strongSwan sees it.
func (p *part) settled(ctx context.Context, name string, wanted func(session) bool) (session, error) {
	var seen session
	err := lab.Poll(patient, func() error {
		other, err := p.warren.session(ctx, name)
		if err != nil {
			return err
		}
		if seen, err = p.charon.session(ctx, name); err != nil {
			return err
		}
		if err := seen.same(other); err != nil {
			return err
		}
		if !wanted(seen) {
			return fmt.Errorf("still %+v", seen)
		}
		return nil
	})
	return seen, err
}

// carries wants packets to pass both ways, without losing any.
func (p *part) carries(ctx context.Context, n int, vip netip.Addr) error {
	there, err := p.from.PingUntil(ctx, interopTarget(n), 3, quick)
	if err == nil && there.Lost() > 0 {
		err = fmt.Errorf("%d of %d pings to the responder were lost:\n%s", there.Lost(), there.Sent, there.Output)
	}
	if err != nil {
		return err
	}
	back, err := p.to.PingUntil(ctx, vip, 3, quick, "-I", interopTarget(n).String())
	if err == nil && back.Lost() > 0 {
		err = fmt.Errorf("%d of %d pings to the initiator were lost:\n%s", back.Lost(), back.Sent, back.Output)
	}
	return err
}

// gone waits until neither end has a session any more.
func (p *part) gone(ctx context.Context, name string) error {
	return lab.Poll(quick, func() error {
		for _, e := range []end{p.initiator, p.responder} {
			if s, err := e.session(ctx, name); err != nil || !s.none {
				return fmt.Errorf("still there after DELETE: %+v, %w", s, err)
			}
		}
		return nil
	})
}
