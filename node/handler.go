package node

import (
	"net/netip"
	"warren/dataplane"
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

// handler takes what the dataplane's workers cannot decide to the loop.
type handler struct {
	messages chan dataplane.Message
	needs    chan need
	mtus     chan pathMTU
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
		messages: make(chan dataplane.Message, messageQueue),
		needs:    make(chan need, needQueue),
		mtus:     make(chan pathMTU, needQueue),
	}
}

func (h *handler) IKE(m dataplane.Message) { offer(h.messages, m) }

func (h *handler) Need(f packet.Flow, key nest.Key) { offer(h.needs, need{f, key}) }

func (h *handler) PathMTU(via sa.Layer, remote netip.Addr, mtu int) {
	offer(h.mtus, pathMTU{via, remote, mtu})
}

func offer[T any](ch chan<- T, v T) {
	select {
	case ch <- v:
	default:
	}
}
