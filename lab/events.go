package lab

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"warren/control"
)

// Events collects what a daemon reports, from its start on.
type Events struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	list []control.Event
	err  error
}

// Events starts collecting. The remembered events come first.
func (w *Warren) Events(ctx context.Context) *Events {
	ctx, cancel := context.WithCancel(ctx)
	e := &Events{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		err := w.client.Events(ctx, true, func(ev control.Event) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.list = append(e.list, ev)
			return nil
		})
		e.mu.Lock()
		e.err = err
		e.mu.Unlock()
	}()
	return e
}

// Stop ends the collection and returns all of it.
func (e *Events) Stop() []control.Event {
	e.cancel()
	<-e.done
	return e.All()
}

// All is what has come so far.
func (e *Events) All() []control.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

// Len marks a place for Since.
func (e *Events) Len() int { return len(e.All()) }

// Since is what came after the first n events.
func (e *Events) Since(n int) []control.Event {
	all := e.All()
	return all[min(n, len(all)):]
}

// Wait waits for an event after the first n that match accepts.
func (e *Events) Wait(n int, within time.Duration, match func(control.Event) bool) (control.Event, error) {
	var found control.Event
	err := Poll(within, func() error {
		all := e.Since(n)
		if i := slices.IndexFunc(all, match); i >= 0 {
			found = all[i]
			return nil
		}
		return fmt.Errorf("lab: no such event among %v", Kinds(all))
	})
	return found, err
}

// Kinds is events in short, "layer-up 1 sg1", for messages and comparisons.
func Kinds(events []control.Event) []string {
	var out []string
	for _, ev := range events {
		s := ev.Kind
		if ev.Layer != 0 {
			s += fmt.Sprintf(" %d %s", ev.Layer, ev.Peer)
		}
		out = append(out, s)
	}
	return out
}
