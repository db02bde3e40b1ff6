package control

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
)

func TestEventLogForgets(t *testing.T) {
	l := NewEventLog(4)
	for range 6 {
		l.Publish(Event{})
	}
	history := l.History()
	if len(history) != 4 || history[0].Seq != 3 || history[3].Seq != 6 {
		t.Errorf("History = %v, want events 3 to 6", history)
	}
}

func TestSubscribe(t *testing.T) {
	tests := map[string]struct {
		before, after int
		all           bool
		want          []uint64
	}{
		"only what comes":               {before: 2, after: 2, want: []uint64{3, 4}},
		"all of it":                     {before: 2, after: 2, all: true, want: []uint64{1, 2, 3, 4}},
		"all that is remembered":        {before: 6, after: 1, all: true, want: []uint64{3, 4, 5, 6, 7}},
		"only what comes, long history": {before: 9, after: 1, want: []uint64{10}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewEventLog(4)
				for range tt.before {
					l.Publish(Event{})
				}
				ctx, cancel := context.WithCancel(t.Context())
				events := l.Subscribe(ctx, tt.all)
				var got []uint64
				var read sync.WaitGroup
				read.Go(func() {
					for e := range events {
						got = append(got, e.Seq)
					}
				})
				synctest.Wait()
				for range tt.after {
					l.Publish(Event{})
					synctest.Wait()
				}
				cancel()
				read.Wait()
				if len(got) != len(tt.want) {
					t.Fatalf("got events %v, want %v", got, tt.want)
				}
				for i := range got {
					if got[i] != tt.want[i] {
						t.Errorf("got events %v, want %v", got, tt.want)
					}
				}
			})
		})
	}
}

// TestSlowReader: Publish does not wait, and the reader learns what it missed.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewEventLog(4)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := l.Subscribe(ctx, false)
		for range 100 { // more than channel and memory hold
			l.Publish(Event{Kind: EventLayerUp})
			synctest.Wait()
		}
		var last, missed uint64
		for e := range events {
			if e.Kind == EventMissed {
				missed++
			} else if e.Seq <= last {
				t.Errorf("event %d after %d", e.Seq, last)
			}
			if last = e.Seq; last == 100 {
				break
			}
		}
		if missed != 1 {
			t.Errorf("%d notices of missed events, want 1", missed)
		}
	})
}
