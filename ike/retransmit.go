package ike

import (
	"fmt"
	"math"
	"time"

	"warren/ike/message"
)

// A task is one request that this node makes on an IKE SA, once the window is
// free (RFC 7296, Section 2.3).
type task interface {
	// start builds the request, or returns nil if there is nothing left to do.
	start(e *Engine, sa *ikeSA, now time.Time) *request
	// done handles the response. err is set when it could not be parsed, or the
	// request not be built.
	done(e *Engine, sa *ikeSA, ps []message.Payload, err error, now time.Time)
	// dropped says that no response will come: sa is closed. Where another IKE SA
	// took its place, the task may go on there.
	dropped(e *Engine, sa *ikeSA, now time.Time)
}

// again does t on the IKE SA that took the place of sa, if one did. The peer may
// have got the request on sa, or not.
func (e *Engine) again(sa *ikeSA, t task, now time.Time) {
	s := sa.sess
	if sa != s.cur && e.sessions[s.id] == s && s.state == sessionUp {
		e.enqueue(s.cur, t, now)
	}
}

// A request is what a task wants to say.
type request struct {
	kind     message.ExchangeType
	payloads []message.Payload
	retry    Retransmit // zero means Options.Retransmit
}

// An exchange is a request under way.
type exchange struct {
	id      uint32
	kind    message.ExchangeType
	task    task
	data    [][]byte    // its datagrams, repeated bit by bit
	part    *reassembly // the fragments of the response that are there
	tries   int
	retry   Retransmit
	started time.Time
	next    time.Time
}

// enqueue adds a task to sa and starts it if the window is free.
func (e *Engine) enqueue(sa *ikeSA, t task, now time.Time) {
	sa.queue = append(sa.queue, t)
	e.run(sa, now)
}

// run starts the next task if the window is free.
func (e *Engine) run(sa *ikeSA, now time.Time) {
	for sa.out == nil && len(sa.queue) > 0 && sa.state != saClosed {
		t := sa.queue[0]
		sa.queue = sa.queue[1:]
		if r := t.start(e, sa, now); r != nil {
			e.request(sa, t, r, now)
		}
	}
}

// request sends r under the next message id.
func (e *Engine) request(sa *ikeSA, t task, r *request, now time.Time) {
	if sa.sendID == math.MaxUint32 { // ids never wrap (RFC 7296, Section 2.2)
		e.end(sa.sess, ending{reason: "message ids are used up"}, now)
		return
	}
	data, err := e.protect(sa, r.kind, sa.sendID, false, r.payloads)
	if err != nil {
		e.opt.Log.Error("ike: request not built", "session", sa.sess.label(), "exchange", r.kind.String(), "err", err)
		t.done(e, sa, nil, err, now)
		return
	}
	e.transmit(sa, &exchange{id: sa.sendID, kind: r.kind, task: t, data: data, retry: r.retry}, now)
	sa.sendID++
}

// transmit sends x for the first time.
func (e *Engine) transmit(sa *ikeSA, x *exchange, now time.Time) {
	if x.retry.Tries == 0 {
		x.retry = e.opt.Retransmit
	}
	x.started, x.tries = now, 1
	x.next = now.Add(x.retry.wait(1))
	sa.out = x
	e.sendAll(sa.sess.path, sa.sess.natt, x.data)
}

// sendAll sends the datagrams of a message.
func (e *Engine) sendAll(p Path, natt bool, datagrams [][]byte) {
	for _, b := range datagrams {
		e.send(p, natt, b)
	}
}

// retransmit repeats the request of sa, or gives up.
func (e *Engine) retransmit(sa *ikeSA, now time.Time) {
	x := sa.out
	if x == nil || !due(x.next, now) {
		return
	}
	if x.tries >= x.retry.Tries {
		e.timedOut(sa, now)
		return
	}
	x.tries++
	x.next = now.Add(x.retry.wait(x.tries))
	e.emit(Retransmitted{ID: sa.sess.id, Stage: x.kind.String(), Path: sa.sess.path, Try: x.tries, Tries: x.retry.Tries})
	e.sendAll(sa.sess.path, sa.sess.natt, x.data)
	e.elsewhere(sa.sess, x)
	for _, c := range sa.sess.others {
		if c.out != nil {
			e.sendAll(c.path, c.natt, c.out.data)
		}
	}
}

// timedOut ends the session whose request got no answer; if the request was on
// an IKE SA that the session no longer uses, only that one.
func (e *Engine) timedOut(sa *ikeSA, now time.Time) {
	s, x := sa.sess, sa.out
	if sa != s.cur {
		e.closeSA(sa, now)
		return
	}
	reason := noAnswer(s.path, x.tries, now.Sub(x.started))
	switch {
	case s.state == sessionConnecting && sa.state == saInit && s.init.ticket != nil:
		e.startOver(s, false, now)
	case s.state == sessionClosing:
		e.lastWord(s)
		e.end(s, ending{reason: s.closing.reason}, now)
	case s.state != sessionUp:
		if s.init != nil && s.init.reason != "" {
			reason = fmt.Sprintf("%s (the peer said: %s)", reason, s.init.reason)
		}
		e.fail(s, &Error{Peer: s.name, Stage: s.stage(), Reason: reason}, now)
	default:
		e.end(s, ending{reason: fmt.Sprintf("%v: %s", x.kind, reason), interrupted: true}, now)
	}
}

// respond answers the current request of the peer, and keeps the answer for
// its repetitions. The caller has set sa.lastReq.
func (e *Engine) respond(sa *ikeSA, d Datagram, kind message.ExchangeType, ps []message.Payload) {
	data, err := e.protect(sa, kind, sa.recvID, true, ps)
	if err != nil {
		e.opt.Log.Error("ike: response not built", "session", sa.sess.label(), "exchange", kind.String(), "err", err)
		return
	}
	sa.recvID++
	sa.resp = data
	e.sendAll(d.Path, d.NATT, data)
}
