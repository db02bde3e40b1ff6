package dataplane

import "warren/nest"

// turns are the tunnels through which an egress may send right now, see
// nest.Order. While it has one it waits for no other: two that did could wait
// for each other.
type turns struct {
	worker uint32
	held   []*nest.Order
}

// order is what the packets of bundle go by.
func order(bundle *nest.Bundle) *nest.Order {
	return &bundle.Layers[len(bundle.Layers)-1].Link.Order
}

// try gets the turn for bundle unless another worker has it.
func (t *turns) try(bundle *nest.Bundle) bool {
	o := order(bundle)
	switch {
	case o.Has(t.worker):
		return true
	case !o.Try(t.worker):
		return false
	}
	t.held = append(t.held, o)
	return true
}

// take waits for the turn for bundle. No other may be held.
func (t *turns) take(bundle *nest.Bundle) {
	o := order(bundle)
	o.Take(t.worker)
	t.held = append(t.held, o)
}

// end gives all turns away.
func (t *turns) end() {
	for _, o := range t.held {
		o.Release()
	}
	t.held = t.held[:0]
}
