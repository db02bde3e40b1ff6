package ike

import (
	"slices"
	"testing"
	"time"

	"warren/ike/message"
)

// TestRetransmitted: whoever waits for a silent peer learns of each further try.
func TestRetransmitted(t *testing.T) {
	tests := map[string]struct {
		drop  func(f flight) bool
		stage string
		port  uint16
	}{
		"IKE_SA_INIT unanswered": {func(f flight) bool { return true }, StageInit, 500},
		"IKE_AUTH unanswered":    {func(f flight) bool { return f.kind() == message.IKEAuth }, StageAuth, 4500},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, acceptConfig(t))
			p.i.quiet, p.r.quiet, p.drop = true, true, tt.drop
			id, err := p.i.e.Initiate(peerConfig(t), p.now)
			if err != nil {
				t.Fatal(err)
			}
			p.advance(16 * time.Second)
			var tries []int
			for _, ev := range p.i.events {
				r, ok := ev.(Retransmitted)
				if !ok {
					continue
				}
				tries = append(tries, r.Try)
				if r.ID != id || r.Stage != tt.stage || r.Tries != 5 || r.Path.Remote.Port() != tt.port {
					t.Errorf("%+v, want stage %s and port %d", r, tt.stage, tt.port)
				}
			}
			if want := []int{2, 3, 4, 5}; !slices.Equal(tries, want) {
				t.Errorf("tries %v, want %v", tries, want)
			}
		})
	}
}
