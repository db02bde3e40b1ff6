package eap

import (
	"io"
	"iter"
	"net"
	"time"
)

// A coroutine runs crypto/tls, which wants a connection to read from, between two
// calls of its caller: whenever it waits for what is not there yet, the caller
// goes on. So nothing runs beside the caller, and nothing is left of it after stop.
type coroutine struct {
	resume  func() (struct{}, bool)
	stop    func()
	in, out []byte
	ended   bool
}

// start prepares run, which has a connection to the caller. It begins with the
// first exchange.
func start(run func(net.Conn)) *coroutine {
	c := &coroutine{}
	c.resume, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		run(&yielding{c, func() bool { return yield(struct{}{}) }})
	})
	return c
}

// exchange hands in over and returns what was written until all of it was read
// and more is wanted, or until the end.
func (c *coroutine) exchange(in []byte) (out []byte) {
	c.in = in
	_, alive := c.resume()
	c.ended = !alive
	out, c.out = c.out, nil
	return out
}

// A yielding is the connection of a coroutine to its caller.
type yielding struct {
	*coroutine
	yield func() bool
}

var _ net.Conn = (*yielding)(nil)

// Read waits for the caller. After stop, and where the caller has nothing, there is
// nothing more to come.
func (y *yielding) Read(b []byte) (int, error) {
	if len(y.in) == 0 && (!y.yield() || len(y.in) == 0) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(b, y.in)
	y.in = y.in[n:]
	return n, nil
}

func (y *yielding) Write(b []byte) (int, error) {
	y.out = append(y.out, b...)
	return len(b), nil
}

func (y *yielding) Close() error                     { return nil }
func (y *yielding) LocalAddr() net.Addr              { return nil }
func (y *yielding) RemoteAddr() net.Addr             { return nil }
func (y *yielding) SetDeadline(time.Time) error      { return nil }
func (y *yielding) SetReadDeadline(time.Time) error  { return nil }
func (y *yielding) SetWriteDeadline(time.Time) error { return nil }
