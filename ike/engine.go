package ike

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"warren/esp"
	"warren/ike/crypt"
	"warren/ike/message"
)

// An Engine runs the IKE sessions of one node.
type Engine struct {
	opt       Options
	sessions  map[SessionID]*session
	order     []*session // as they were created
	pairs     map[pairing][]*session
	sas       map[message.SPI]*ikeSA
	inits     map[initKey]*ikeSA // answered IKE_SA_INIT requests, for their repetitions
	halfOpen  int
	halfFrom  map[netip.Prefix]int // of them, by source
	cookies   *crypt.Cookies
	rotateAt  time.Time
	replies   bucket    // in the clear, to messages outside any IKE SA
	strange   *throttle // IKE_SA_INIT from sources that have proven nothing
	guesses   *throttle // wrong passwords
	strangers strangerLog
	refused   [numRefused]uint64
	tickets   tickets
	timers    timerHeap
	lastID    SessionID
	out       Output
}

// New returns an Engine without sessions.
func New(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	cookies, err := crypt.NewCookies(o.Rand)
	if err != nil {
		return nil, err
	}
	return &Engine{
		opt:       o,
		sessions:  make(map[SessionID]*session),
		pairs:     make(map[pairing][]*session),
		sas:       make(map[message.SPI]*ikeSA),
		inits:     make(map[initKey]*ikeSA),
		halfFrom:  make(map[netip.Prefix]int),
		cookies:   cookies,
		strange:   newThrottle(o.InitRate),
		guesses:   newThrottle(maxGuesses),
		strangers: strangerLog{log: o.Log},
	}, nil
}

// Take returns what is to be done since the last call: first the events, in
// their order, then the messages.
func (e *Engine) Take() Output {
	out := e.out
	e.out = Output{}
	return out
}

// Next is when Tick is due; the zero time means never.
func (e *Engine) Next() time.Time {
	if len(e.timers) == 0 {
		return time.Time{}
	}
	return e.timers[0].at
}

// Tick does what is due at now.
func (e *Engine) Tick(now time.Time) {
	for len(e.timers) > 0 && !now.Before(e.timers[0].at) {
		t := e.timers[0]
		e.timers.set(t, time.Time{})
		t.fire(now)
	}
}

// Sessions describes the sessions, oldest first.
func (e *Engine) Sessions() []SessionInfo {
	infos := make([]SessionInfo, 0, len(e.order))
	for _, s := range e.order {
		infos = append(infos, s.info())
	}
	return infos
}

func (e *Engine) emit(ev Event) { e.out.Events = append(e.out.Events, ev) }

func (e *Engine) send(p Path, natt bool, data []byte) {
	e.out.Send = append(e.out.Send, Datagram{Path: p, NATT: natt, Data: data})
}

// random returns n random bytes.
func (e *Engine) random(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(e.opt.Rand, b)
	return b, err
}

// newSPI draws an IKE SPI that no SA of this engine has.
func (e *Engine) newSPI() (message.SPI, error) {
	for {
		b, err := e.random(message.SPILen)
		if err != nil {
			return 0, err
		}
		spi := message.SPI(binary.BigEndian.Uint64(b))
		if _, used := e.sas[spi]; spi != 0 && !used {
			return spi, nil
		}
	}
}

// fraction is a random number from 0 to 1.
func (e *Engine) fraction() float64 {
	b, err := e.random(4)
	if err != nil {
		return 0
	}
	return float64(binary.BigEndian.Uint32(b)) / (1 << 32)
}

// retryTime is when something that was refused for now is tried again.
func (e *Engine) retryTime(now time.Time) time.Time {
	d := e.opt.RetryAfter
	return now.Add(d + time.Duration(float64(d)/2*e.fraction()))
}

// allocSPI reserves an inbound ESP SPI.
func (e *Engine) allocSPI() (esp.SPI, error) { return e.opt.AllocSPI() }
