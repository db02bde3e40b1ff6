package node

import (
	"net/netip"
	"sync/atomic"

	"warren/dataplane"
	"warren/ike"
	"warren/nest"
	"warren/packet"
	"warren/sa"
)

// How much the workers may be ahead of the loop. What does not fit is dropped:
// IKE repeats itself, and so does traffic that needs a chain.
const (
	messageQueue = 1024
	needQueue    = 256
)

// handler takes what the dataplane's workers cannot decide to the loop. Requests
// for new IKE SAs have a queue of their own, so that a flood of them keeps no
// message of an established session waiting.
type handler struct {
	messages  chan dataplane.Message
	strangers chan dataplane.Message
	needs     chan need
	mtus      chan pathMTU

	missed atomic.Uint64 // messages that found their queue full
}

type need struct {
	flow packet.Flow
	key  nest.Key
}

type pathMTU struct {
	via    sa.Layer
	remote netip.Addr
	mtu    int
}

var _ dataplane.Handler = (*handler)(nil)

func newHandler() *handler {
	return &handler{
		messages:  make(chan dataplane.Message, messageQueue),
		strangers: make(chan dataplane.Message, messageQueue),
		needs:     make(chan need, needQueue),
		mtus:      make(chan pathMTU, needQueue),
	}
}

func (h *handler) IKE(m dataplane.Message) {
	queue := h.messages
	if ike.IsInit(m.Data) {
		queue = h.strangers
	}
	if queue == h.strangers && len(m.Data) > ike.MaxInit || !offer(queue, m) {
		h.missed.Add(1)
	}
}

// next is a message that waits, those of sessions first.
func (h *handler) next() (m dataplane.Message, ok bool) {
	select {
	case m = <-h.messages:
		return m, true
	default:
	}
	select {
	case m = <-h.strangers:
		return m, true
	default:
		return m, false
	}
}

func (h *handler) Need(f packet.Flow, key nest.Key) { offer(h.needs, need{f, key}) }

func (h *handler) PathMTU(via sa.Layer, remote netip.Addr, mtu int) {
	offer(h.mtus, pathMTU{via, remote, mtu})
}

func offer[T any](ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	default:
		return false
	}
}
