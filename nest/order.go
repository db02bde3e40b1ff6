package nest

import (
	"sync"
	"sync/atomic"
)

// An Order is whose turn it is among the workers that send through one tunnel
// on the network, from the reservation of sequence numbers until the packets are
// sent. A worker that is interrupted in between would otherwise be overtaken by
// thousands of packets, and the windows of peers may hold but 32 (RFC 4303,
// Section 3.4.3). It covers the layers inside as well, since all that use one of
// them share the outermost.
//
// Workers are known by numbers, zero is none.
type Order struct {
	mu    sync.Mutex
	owner atomic.Uint32
}

// Has reports whether it is the turn of worker.
func (o *Order) Has(worker uint32) bool { return o.owner.Load() == worker }

// Try makes it the turn of worker unless it is another's.
func (o *Order) Try(worker uint32) bool {
	if !o.mu.TryLock() {
		return false
	}
	o.owner.Store(worker)
	return true
}

// Take waits until it is the turn of worker, which must not have another one
// meanwhile: who waits for that could wait for this.
func (o *Order) Take(worker uint32) {
	o.mu.Lock()
	o.owner.Store(worker)
}

// Release ends the turn of the worker that has it.
func (o *Order) Release() {
	o.owner.Store(0)
	o.mu.Unlock()
}
