package node

import (
	"context"
	"errors"
	"time"

	"warren/dataplane"
	"warren/ike"
	"warren/sa"
)

const (
	// The node looks at its SAs so often, more often where one nears its limits.
	watchEvery = time.Second
	watchSoon  = 50 * time.Millisecond
	watchLeast = 10 * time.Millisecond

	// goodbye is how long a shutdown waits for the peers' answers: the DELETEs
	// of a chain go one after the other, each with its own few tries.
	goodbye = 15 * time.Second
)

// loop drives the node until ctx ends, then takes everything down in order.
func (n *Node) loop(ctx context.Context) error {
	watch := time.NewTimer(watchEvery)
	defer watch.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	var deadline <-chan time.Time
	for {
		n.pump(time.Now())
		if done == nil && n.idle() {
			return nil
		}
		if n.hurry {
			n.hurry = false
			watch.Reset(watchSoon)
		}
		timer.Reset(n.untilNext())
		select {
		case <-done:
			done, deadline = nil, time.After(goodbye)
			n.shutdown(time.Now())
		case <-deadline:
			return errors.New("node: peers did not answer the goodbye in time; their SAs go by their own liveness checks")
		case now := <-watch.C:
			if err := n.plane.Err(); err != nil {
				return err
			}
			watch.Reset(n.watch(now))
			n.watchOffloads()
			n.watchCerts(now)
			n.nest.Tick(now)
		case now := <-timer.C:
			n.ike.Tick(now)
			n.nest.Tick(now)
			n.roam(now)
		case m := <-n.handler.messages:
			n.receive(m)
		case m := <-n.handler.strangers:
			n.receive(m)
		case w := <-n.handler.needs:
			n.need(w)
		case p := <-n.handler.mtus:
			n.nest.PathMTU(p.via, p.remote, p.mtu, time.Now())
		case <-n.roams.signal:
			n.roams.soon(time.Now())
		case f := <-n.calls:
			f(time.Now())
		}
	}
}

// pump carries out what the engine and the tree want, until they want nothing
// more. Messages leave last: whoever reads one may use at once what it grants,
// so that must be in the view by then.
func (n *Node) pump(now time.Time) {
	for {
		out := n.ike.Take()
		for _, e := range out.Events {
			n.apply(e, now)
		}
		commands := n.nest.Take()
		for _, c := range commands {
			n.perform(c, now)
		}
		for _, d := range out.Send {
			n.send(d)
		}
		if len(out.Events)+len(out.Send)+len(commands) == 0 {
			break
		}
	}
	n.notify()
}

// untilNext is how long nothing is due.
func (n *Node) untilNext() time.Duration {
	next := n.ike.Next()
	if t := n.nest.Next(); next.IsZero() || !t.IsZero() && t.Before(next) {
		next = t
	}
	if t := n.roams.at; next.IsZero() || !t.IsZero() && t.Before(next) {
		next = t
	}
	if next.IsZero() {
		return time.Hour
	}
	return max(time.Until(next), 0)
}

// receive gives the engine a message. All that wait are taken at once: under a
// flood the rest of the loop still gets its turn, once for every queue's worth.
func (n *Node) receive(m dataplane.Message) {
	for range cap(n.handler.messages) {
		n.ike.Receive(ike.Datagram{
			Path: ike.Path{Via: m.Via, Local: m.Local, Remote: m.Remote}, NATT: m.NATT, Data: m.Data,
		}, time.Now())
		more := false
		if m, more = n.handler.next(); !more {
			return
		}
	}
}

// send puts a message on its path: the network, or the layer that carries it.
func (n *Node) send(d ike.Datagram) {
	via := n.nest.View().Bundle(d.Path.Via)
	if d.Path.Via != sa.Network && via == nil {
		n.log.Debug("message has lost its layer", "via", d.Path.Via, "remote", d.Path.Remote.String())
		return
	}
	err := n.plane.SendIKE(via, d.Path.Local, d.Path.Remote, d.NATT, d.Data)
	if now := time.Now(); err != nil && now.Sub(n.unsent) > time.Second { // strangers may cause any number
		n.unsent = now
		n.log.Debug("send IKE", "err", err)
	}
}

func (n *Node) need(w need) {
	if _, err := n.nest.Need(w.flow, time.Now()); err != nil {
		n.log.Warn("flow has no chain", "src", w.flow.Src, "dst", w.flow.Dst, "proto", w.flow.Proto, "err", err)
		n.plane.Refuse(w.key)
	}
}

// shutdown starts the end: chains innermost first, and a goodbye to every peer
// that opened a session.
func (n *Node) shutdown(now time.Time) {
	n.log.Info("shutting down")
	n.nest.Shutdown(now)
	n.parting = true
	n.part(now)
}

// idle reports whether nothing is left to take down.
func (n *Node) idle() bool { return n.nest.Empty() && len(n.sessions) == 0 }
