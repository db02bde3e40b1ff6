package ike

import (
	"container/heap"
	"time"
)

// A timer is a place in the engine's heap. It belongs to a session, or to a
// closed IKE SA.
type timer struct {
	at    time.Time
	index int // in the heap, -1 when not there
	fire  func(now time.Time)
}

type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h)
	*h = append(*h, t)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h, t.index = old[:len(old)-1], -1
	return t
}

// set moves t to at; the zero time takes it out.
func (h *timerHeap) set(t *timer, at time.Time) {
	t.at = at
	switch {
	case at.IsZero() && t.index >= 0:
		heap.Remove(h, t.index)
	case at.IsZero():
	case t.index >= 0:
		heap.Fix(h, t.index)
	default:
		heap.Push(h, t)
	}
}

// earliest is the first of ts that is not zero.
func earliest(ts ...time.Time) time.Time {
	var first time.Time
	for _, t := range ts {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// due reports whether the timer t, if set, has run out.
func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// after is now+d, or never if d is zero.
func after(now time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return now.Add(d)
}
