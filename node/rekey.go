package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/control"
	"warren/esp"
	"warren/nest"
	"warren/sa"
)

// rekeyWithin is how long a rekey that was asked for may take: the layers of a
// chain go one after the other, and a lost message is repeated.
const rekeyWithin = 30 * time.Second

// renewal is the layers that are to get new SAs, with the ones they had.
type renewal map[sa.Layer]renewed

type renewed struct {
	layer int
	peer  string
	old   esp.SPI
}

// Rekey implements control.Backend.
func (b *backend) Rekey(ctx context.Context, chain string, progress func(control.Event)) error {
	return b.replace(ctx, chain, control.EventRekey, progress, func(s *session, old esp.SPI, now time.Time) error {
		return b.n.ike.RekeyChild(s.id, old, now)
	})
}

// Reauth implements control.Backend.
func (b *backend) Reauth(ctx context.Context, chain string, progress func(control.Event)) error {
	return b.replace(ctx, chain, control.EventReauth, progress, func(s *session, _ esp.SPI, now time.Time) error {
		return b.n.ike.Reauthenticate(s.id, now)
	})
}

// replace asks for new SAs of all layers of a chain, and waits for them. Kind is the
// event that each brings.
func (b *backend) replace(ctx context.Context, chain, kind string, progress func(control.Event), ask func(*session, esp.SPI, time.Time) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, rekeyWithin, errors.New("no answer in "+rekeyWithin.String()))
	defer cancel()
	events := b.Subscribe(ctx, false)
	var left renewal
	var refused error
	if err := b.n.do(func(now time.Time) { left, refused = b.n.renew(chain, now, ask) }); err != nil {
		return err
	}
	if errors.Is(refused, nest.ErrNoChain) {
		return b.noChain(chain)
	}
	if refused != nil {
		return refused
	}
	for len(left) > 0 {
		select {
		case e, open := <-events:
			if !open {
				return left.unfinished(context.Cause(ctx))
			}
			if e.Kind == kind && progress != nil {
				progress(e)
			}
			if err := left.failed(e); err != nil {
				return err
			}
			if err := b.n.do(func(time.Time) { refused = left.check(b.n.nest.Chains()) }); err != nil {
				return err
			}
			if refused != nil {
				return refused
			}
		case <-b.n.stopped:
			return errStopped
		}
	}
	return nil
}

// failed is what e says went wrong with one of the layers.
func (r renewal) failed(e control.Event) error {
	for _, l := range r {
		if e.Kind == control.EventReauthFailed && l.layer == e.Layer && l.peer == e.Peer {
			return fmt.Errorf("layer %d (%s): %s", l.layer, l.peer, e.Reason)
		}
	}
	return nil
}

// renew asks for new SAs of all layers of the chains called name that are up.
func (n *Node) renew(name string, now time.Time, ask func(*session, esp.SPI, time.Time) error) (renewal, error) {
	left, known := renewal{}, name == "all"
	for _, c := range n.nest.Chains() {
		if name != "all" && c.Name != name {
			continue
		}
		known = true
		for _, l := range c.Layers {
			if s := n.byLayer[l.ID]; l.State == nest.Up && s != nil {
				left[l.ID] = renewed{l.Layer, l.Peer, l.SPIIn}
			}
		}
	}
	switch {
	case !known:
		return nil, nest.ErrNoChain
	case len(left) == 0:
		return nil, fmt.Errorf("chain %s has no layer that is up: there is nothing to rekey", name)
	}
	for id, r := range left {
		if err := ask(n.byLayer[id], r.old, now); err != nil {
			return nil, fmt.Errorf("layer %d (%s): %w", r.layer, r.peer, err)
		}
	}
	return left, nil
}

// check takes out the layers that have their new SAs. One that is gone is an
// error.
func (r renewal) check(chains []nest.ChainStatus) error {
	now := map[sa.Layer]nest.LayerStatus{}
	for _, c := range chains {
		for _, l := range c.Layers {
			now[l.ID] = l
		}
	}
	for id, want := range r {
		switch l, ok := now[id]; {
		case !ok || l.State != nest.Up:
			return fmt.Errorf("layer %d (%s) went down before it had new SAs", want.layer, want.peer)
		case l.SPIIn != want.old:
			delete(r, id)
		}
	}
	return nil
}

// unfinished names the layers that are left.
func (r renewal) unfinished(cause error) error {
	var names []string
	for _, l := range r {
		names = append(names, fmt.Sprintf("layer %d (%s)", l.layer, l.peer))
	}
	return fmt.Errorf("still with its old SAs: %s: %w", strings.Join(names, ", "), cause)
}
