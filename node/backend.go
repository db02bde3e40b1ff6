package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"warren/control"
	"warren/esp"
	"warren/nest"
)

var errStopped = errors.New("node: the daemon is shutting down")

// backend is the node as the control socket sees it. Its methods run in the
// node's loop, one at a time.
type backend struct {
	*control.EventLog
	n *Node
}

var _ control.Backend = (*backend)(nil)

// do runs f in the loop; without a loop any more it does nothing.
func (n *Node) do(f func(now time.Time)) error {
	done := make(chan struct{})
	select {
	case n.calls <- func(now time.Time) { f(now); close(done) }:
	case <-n.stopped:
		return errStopped
	}
	<-done
	return nil
}

// ask is do for a question.
func ask[T any](n *Node, f func() T) T {
	var v T
	_ = n.do(func(time.Time) { v = f() }) // a stopped node answers with nothing
	return v
}

func (b *backend) Version() control.Version {
	return control.Version{Version: b.n.opt.Version, Go: runtime.Version(), Ciphers: esp.Backend(), Node: b.n.name, PID: os.Getpid()}
}

// Up implements control.Backend.
func (b *backend) Up(ctx context.Context, chain string, progress func(control.Event)) error {
	up := func(name string, now time.Time) error { return b.n.nest.Up(name, now) }
	return b.await(ctx, &waiter{name: chain, want: nest.Up}, up, progress)
}

// Down implements control.Backend.
func (b *backend) Down(ctx context.Context, chain string, progress func(control.Event)) error {
	down := func(name string, now time.Time) error { return b.n.nest.Down(name, now) }
	return b.await(ctx, &waiter{name: chain, want: nest.Idle}, down, progress)
}

// await starts something and follows its events until the chains are where the
// waiter wants them.
func (b *backend) await(ctx context.Context, w *waiter, start func(string, time.Time) error, progress func(control.Event)) error {
	if progress == nil {
		progress = func(control.Event) {}
	}
	follow, stop := context.WithCancel(ctx)
	defer stop()
	events := b.Subscribe(follow, false)
	w.first = b.Last() // every later event comes to the subscriber
	w.done = make(chan outcome, 1)
	var refused error
	err := b.n.do(func(now time.Time) {
		if refused = start(w.name, now); refused == nil {
			b.n.waiters = append(b.n.waiters, w)
		}
	})
	if errors.Is(refused, nest.ErrNoChain) {
		return b.noChain(w.name)
	}
	if err := errors.Join(err, refused); err != nil {
		return err
	}
	return b.n.follow(ctx, w, events, progress)
}

// noChain says which names there are instead of name.
func (b *backend) noChain(name string) error {
	chains := ask(b.n, func() []nest.ChainStatus { return b.n.nest.Chains() })
	return noSuchChain(name, chains)
}

func noSuchChain(name string, chains []nest.ChainStatus) error {
	if len(chains) == 0 {
		return fmt.Errorf("no chain is called %q: no rule protects anything", name)
	}
	names := make([]string, len(chains))
	for i, c := range chains {
		names[i] = c.Name
	}
	return fmt.Errorf("no chain is called %q; there is %s, and all", name, strings.Join(names, ", "))
}

// follow passes events on until the waiter's outcome and all that led to it has
// been told.
func (n *Node) follow(ctx context.Context, w *waiter, events <-chan control.Event, progress func(control.Event)) error {
	var seen uint64
	var end *outcome
	for end == nil || seen < end.last {
		select {
		case e := <-events:
			seen = e.Seq
			progress(e)
		case o := <-w.done:
			end, w.done = &o, nil
			seen = max(seen, w.first)
		case <-n.stopped:
			return errStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return end.err
}

// A waiter is a request that ends when its chains are in the state it wants.
type waiter struct {
	name  string
	want  nest.State
	first uint64 // the newest event when it began
	done  chan outcome
}

// An outcome is how a request ended, and the last event that led to it.
type outcome struct {
	err  error
	last uint64
}

// notify ends the requests whose chains have got where they were to go.
func (n *Node) notify() {
	if len(n.waiters) == 0 {
		return
	}
	chains := n.nest.Chains()
	var still []*waiter
	for _, w := range n.waiters {
		if over, err := w.over(chains); over {
			w.done <- outcome{err, n.events.Last()}
		} else {
			still = append(still, w)
		}
	}
	n.waiters = still
}

// over reports whether every chain of w is where it should be, or has failed.
func (w *waiter) over(chains []nest.ChainStatus) (bool, error) {
	var errs []error
	for _, c := range chains {
		if w.name != "all" && w.name != c.Name {
			continue
		}
		switch {
		case c.State == w.want:
		case c.State == nest.Failed && w.want == nest.Up, c.State == nest.Degraded && w.want == nest.Up:
			errs = append(errs, fmt.Errorf("chain %s failed at layer %d (%s): %s", c.Name, c.FailedLayer, c.FailedPeer, c.Reason))
		case c.State == nest.Failed: // nothing of it stands
		default:
			return false, nil
		}
	}
	return true, errors.Join(errs...)
}
