package blast

import "time"

const (
	settle   = 40 * time.Millisecond // without a packet: the run is over
	maxDrain = 600 * time.Millisecond
)

// A Trial is one load as offered and as received.
type Trial struct {
	Offered
	Received int
	Prompt   int // of them, how many were there when the last one was sent
}

// Loss is the part of the packets that did not arrive, 0 to 1.
func (t Trial) Loss() float64 {
	if t.Packets == 0 {
		return 1
	}
	return 1 - float64(t.Received)/float64(t.Packets)
}

// Late is the part of the packets that came only when no more were sent, 0 to 1.
// A path that is slower than the rate has them in its queues, which hold
// thousands: a short trial would lose none.
func (t Trial) Late() float64 {
	if t.Packets == 0 {
		return 1
	}
	return max(0, float64(t.Received-t.Prompt)/float64(t.Packets))
}

// Try offers a load and waits until no more of it arrives.
func Try(s *Sender, r *Receiver, l Load) (Trial, error) {
	return try(r, l, func() (Offered, error) { return s.Run(l) })
}

func try(r *Receiver, l Load, offer func() (Offered, error)) (Trial, error) {
	r.Begin(l.Run)
	o, err := offer()
	t := Trial{Offered: o, Prompt: r.Count()}
	if err != nil {
		return t, err
	}
	for end := time.Now().Add(maxDrain); time.Now().Before(end); {
		before := r.Count()
		if before >= o.Packets {
			break
		}
		time.Sleep(settle)
		if r.Count() == before {
			break
		}
	}
	t.Received = r.Count()
	return t, nil
}
