package node

import (
	"testing"
	"time"

	"warren/dataplane"
	"warren/ike"
	"warren/packet"
)

func TestKeepaliveDue(t *testing.T) {
	const after = dataplane.KeepaliveAfter
	start := time.Unix(1000, 0)
	udp := ike.Child{Initiator: true, Encap: packet.EncapUDP}
	type look struct {
		at   time.Duration
		sent uint64
		due  bool
	}
	tests := map[string]struct {
		child ike.Child
		looks []look
	}{
		"silence":             {udp, []look{{0, 5, false}, {after - 1, 5, false}, {after, 5, true}, {after + 1, 5, false}, {2 * after, 5, true}}},
		"traffic starts anew": {udp, []look{{0, 5, false}, {after, 6, false}, {2*after - 1, 6, false}, {2 * after, 6, true}}},
		"raw ESP":             {ike.Child{Initiator: true}, []look{{0, 5, false}, {after, 5, false}}},
		"the peer called":     {ike.Child{Encap: packet.EncapUDP}, []look{{0, 5, false}, {after, 5, false}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &child{Child: tt.child}
			for _, l := range tt.looks {
				if got := c.keepaliveDue(l.sent, start.Add(l.at)); got != l.due {
					t.Errorf("after %v with %d sent: %v, want %v", l.at, l.sent, got, l.due)
				}
			}
		})
	}
}
