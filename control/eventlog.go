package control

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// DefaultHistory is how many events an EventLog remembers.
const DefaultHistory = 512

// An EventLog remembers the last events and hands new ones to whoever
// subscribed. Publish never blocks: a subscriber reads the memory at its own
// pace, and one that falls behind it gets an event of the kind "missed" that says
// how many it missed. Safe for concurrent use.
type EventLog struct {
	mu   sync.Mutex
	ring []Event       // event seq is at ring[seq % len]
	last uint64        // seq of the newest event; the first is 1
	wake chan struct{} // closed at each Publish
	now  func() time.Time
}

// NewEventLog returns a log that remembers size events; DefaultHistory if 0.
func NewEventLog(size int) *EventLog {
	if size <= 0 {
		size = DefaultHistory
	}
	return &EventLog{ring: make([]Event, size), wake: make(chan struct{}), now: time.Now}
}

// Publish numbers e, dates it (unless it has a date) and returns it.
func (l *EventLog) Publish(e Event) Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Seq = l.last
	if e.Time.IsZero() {
		e.Time = l.now().UTC()
	}
	l.ring[e.Seq%uint64(len(l.ring))] = e
	close(l.wake)
	l.wake = make(chan struct{})
	return e
}

// Last is the number of the newest event; 0 before the first.
func (l *EventLog) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// History returns the events still remembered, oldest first.
func (l *EventLog) History() []Event {
	events, _, _ := l.after(0)
	return events
}

// Subscribe delivers events until ctx ends, then closes the channel. With all,
// the events still remembered come first; without, only later ones.
func (l *EventLog) Subscribe(ctx context.Context, all bool) <-chan Event {
	l.mu.Lock()
	seen := l.last
	l.mu.Unlock()
	if all {
		seen = 0
	}
	out := make(chan Event, 16)
	go func() {
		defer close(out)
		l.follow(ctx, seen, out)
	}()
	return out
}

// follow sends every event after seen to out until ctx ends.
func (l *EventLog) follow(ctx context.Context, seen uint64, out chan<- Event) {
	first := seen == 0 // a reader of the history has missed nothing it was promised
	for {
		events, last, wake := l.after(seen)
		if missed := last - seen - uint64(len(events)); missed > 0 && !first {
			events = append([]Event{missedEvent(events[0], missed)}, events...)
		}
		first = false
		for _, e := range events {
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
		seen = last
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// after returns the remembered events newer than seen, the number of the newest
// one, and a channel that is closed when there is a newer one still.
func (l *EventLog) after(seen uint64) (events []Event, last uint64, wake <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := seen + 1
	if size := uint64(len(l.ring)); l.last > size {
		from = max(from, l.last-size+1)
	}
	events = []Event{}
	for seq := from; seq <= l.last; seq++ {
		events = append(events, l.ring[seq%uint64(len(l.ring))])
	}
	return events, l.last, l.wake
}

// missedEvent tells a reader that it fell behind by missed events before next.
func missedEvent(next Event, missed uint64) Event {
	return Event{
		Seq:    next.Seq - 1,
		Time:   next.Time,
		Kind:   EventMissed,
		Reason: fmt.Sprintf("this reader was too slow and missed %d events", missed),
	}
}
