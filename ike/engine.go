package ike

import (
	"time"

	"warren/esp"
)

// An Engine runs the IKE sessions of one node.
type Engine struct {
	opt Options
}

// New returns an Engine without sessions.
func New(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Engine{opt: o}, nil
}

// Receive handles one datagram. It owns d.Data from now on.
func (e *Engine) Receive(d Datagram, now time.Time) {}

// Tick does what is due at now.
func (e *Engine) Tick(now time.Time) {}

// Next is when Tick is due, or the zero time.
func (e *Engine) Next() time.Time { return time.Time{} }

// Take returns and forgets what is to be done.
func (e *Engine) Take() Output { return Output{} }

// Initiate starts a session.
func (e *Engine) Initiate(c PeerConfig, now time.Time) (SessionID, error) { return 0, nil }

// Delete ends a session with a DELETE; SessionDown follows.
func (e *Engine) Delete(id SessionID, now time.Time) error { return nil }

// Abort forgets a session without a message or event.
func (e *Engine) Abort(id SessionID) {}

// RekeyChild replaces the child SA with inbound SPI spi.
func (e *Engine) RekeyChild(id SessionID, spi esp.SPI, now time.Time) error { return nil }

// DeleteChild deletes the child SA with inbound SPI spi.
func (e *Engine) DeleteChild(id SessionID, spi esp.SPI, now time.Time) error { return nil }

// RekeyIKE replaces the session's IKE SA.
func (e *Engine) RekeyIKE(id SessionID, now time.Time) error { return nil }

// CreateChild asks for a further child SA.
func (e *Engine) CreateChild(id SessionID, c ChildConfig, now time.Time) error { return nil }

// Liveness checks that the peer lives.
func (e *Engine) Liveness(id SessionID, now time.Time) error { return nil }

// InboundSeen says that ESP of the session was received and authenticated.
func (e *Engine) InboundSeen(id SessionID, now time.Time) {}

// ChildUsed says that ESP was received on the inbound SA spi.
func (e *Engine) ChildUsed(id SessionID, spi esp.SPI, now time.Time) {}

// Sessions describes the sessions, oldest first.
func (e *Engine) Sessions() []SessionInfo { return nil }
