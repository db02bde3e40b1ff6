package memnet

import (
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"warren/packet"
)

func harness(queues int, a, b string) func(*testing.T) Harness {
	return func(*testing.T) Harness {
		h := Harness{AddrA: netip.MustParseAddr(a), AddrB: netip.MustParseAddr(b)}
		n := New()
		h.A, h.B = n.NodeQueues(queues, h.AddrA), n.NodeQueues(queues, h.AddrB)
		return h
	}
}

func TestContract(t *testing.T) {
	for _, queues := range []int{1, 3} {
		t.Run("IPv4", func(t *testing.T) { Contract(t, harness(queues, "192.0.2.1", "192.0.2.2")) })
		t.Run("IPv6", func(t *testing.T) { Contract(t, harness(queues, "2001:db8::1", "2001:db8::2")) })
	}
}

func TestHook(t *testing.T) {
	h := harness(1, "192.0.2.1", "192.0.2.2")(t)
	n := h.A.(*Node).net
	tests := map[string]struct {
		hook func(Datagram) []Datagram
		want int
	}{
		"none":      {nil, 1},
		"loss":      {func(Datagram) []Datagram { return nil }, 0},
		"duplicate": {func(d Datagram) []Datagram { return []Datagram{d, d} }, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n.Hook = tt.hook
			if _, err := h.A.WriteBatch(packet.Batch{h.message(packet.KindESP, false, []byte("esp packet"))}); err != nil {
				t.Fatal(err)
			}
			if got := len(h.B.(*Node).in); got != tt.want {
				t.Errorf("%d arrived, want %d", got, tt.want)
			}
			for len(h.B.(*Node).in) > 0 {
				<-h.B.(*Node).in
			}
		})
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
