package crowd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"warren/ike"
	"warren/packet"
	"warren/underlay"
)

// A Crowd makes sessions with a target, each from an address of its own, and keeps
// them. It belongs to one goroutine.
type Crowd struct {
	target Target
	from   func(n int) netip.Addr
	engine *ike.Engine

	net     *underlay.Sockets
	arrived chan ike.Datagram
	closed  chan struct{}
	one     packet.Batch

	begun, up int
}

// Open opens the crowd's sockets where it is called. from is the address of the
// n-th session, counted from 1.
func Open(t Target, from func(n int) netip.Addr) (*Crowd, error) {
	c := &Crowd{target: t, from: from, arrived: make(chan ike.Datagram), closed: make(chan struct{}), one: packet.NewBatch(1, packet.MaxPacket)}
	var err error
	if c.engine, err = newEngine(); err != nil {
		return nil, err
	}
	if c.net, err = underlay.Open(underlay.Options{IKE: ownIKE, NATT: ownNATT, NoESP: true}); err != nil {
		return nil, err
	}
	for _, r := range c.net.Readers() {
		go c.read(r)
	}
	return c, nil
}

// Close closes the sockets. The target is told nothing.
func (c *Crowd) Close() error {
	close(c.closed)
	return c.net.Close()
}

// read hands over what comes by one socket until it is closed.
func (c *Crowd) read(r underlay.Reader) {
	b := packet.NewBatch(64, packet.MaxPacket)
	for {
		n, err := r.ReadBatch(b)
		if err != nil {
			return
		}
		for _, p := range b[:n] {
			if p.Drop != packet.Live || p.Kind != packet.KindIKE {
				continue
			}
			d := ike.Datagram{Path: ike.Path{Local: p.Local(), Remote: p.Remote()}, NATT: p.Local().Port() == ownNATT, Data: slices.Clone(p.Bytes())}
			select {
			case c.arrived <- d:
			case <-c.closed:
				return
			}
		}
	}
}

// Establish brings n more sessions up, each with its child SA, of which at most
// parallel are under way at a time. The first that fails is an error.
func (c *Crowd) Establish(ctx context.Context, n, parallel int) error {
	begin, up := c.begun+n, c.up+n
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		for c.begun < begin && c.begun-c.up < parallel {
			if err := c.begin(); err != nil {
				return err
			}
		}
		if err := c.flush(); err != nil || c.up >= up {
			return err
		}
		if c.begun < begin && c.begun-c.up < parallel {
			continue
		}
		timer.Reset(time.Until(c.engine.Next()))
		select {
		case d := <-c.arrived:
			c.engine.Receive(d, time.Now())
		case now := <-timer.C:
			c.engine.Tick(now)
		case <-ctx.Done():
			return fmt.Errorf("crowd: %d of %d sessions came up: %w", c.up, begin, ctx.Err())
		}
	}
}

func (c *Crowd) begin() error {
	p, err := c.target.peer(c.from(c.begun+1), c.begun+1)
	if err != nil {
		return err
	}
	c.begun++
	_, err = c.engine.Initiate(p, time.Now())
	return err
}

// flush does what the engine wants.
func (c *Crowd) flush() error {
	out := c.engine.Take()
	for _, ev := range out.Events {
		switch ev := ev.(type) {
		case ike.ChildUp:
			c.up++
		case ike.ChildFailed:
			return ev.Err
		case ike.SessionFailed:
			return ev.Err
		case ike.SessionDown:
			return fmt.Errorf("crowd: session %s is down: %s", ev.Name, ev.Reason)
		}
	}
	for _, d := range out.Send {
		if err := c.send(d); err != nil {
			return err
		}
	}
	return nil
}

func (c *Crowd) send(d ike.Datagram) error {
	p := c.one[0]
	p.Set(d.Data)
	p.Kind, p.Ends = packet.KindIKE, &packet.Ends{Local: d.Path.Local, Remote: d.Path.Remote}
	if _, err := c.net.WriteBatch(c.one); err != nil {
		return err
	}
	if p.Drop != packet.Live {
		return fmt.Errorf("crowd: send to %v: %v", d.Path.Remote, p.Drop)
	}
	return nil
}
