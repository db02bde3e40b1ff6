package ike

import (
	"encoding/binary"
	"net/netip"
	"time"

	"warren/ike/message"
)

// cookieLife is how long a cookie secret makes cookies. They are accepted for
// as long again (RFC 7296, Section 2.6).
const cookieLife = time.Minute

// maxUnasked is how many half-open IKE SAs one source may have before it is
// asked for cookies though the others are not (RFC 8019, Section 4.2).
const maxUnasked = 5

// cookieWanted reports whether an IKE_SA_INIT request must prove its source
// address.
func (e *Engine) cookieWanted(from netip.Addr) bool {
	return e.halfOpen >= e.opt.CookieThreshold || e.halfFrom[source(from)] >= maxUnasked
}

// returnsCookie reports whether an IKE_SA_INIT request proves its source address.
func (e *Engine) returnsCookie(m *message.Message, d Datagram, ni []byte, now time.Time) bool {
	c := message.GetNotify(m.Payloads, message.Cookie)
	if c == nil {
		return false
	}
	e.rotateCookies(now)
	return e.cookies.Check(c.Data, ni, d.Path.Remote.Addr(), m.SPIi)
}

// challenge asks for a cookie and keeps no state.
func (e *Engine) challenge(d Datagram, h message.Header, ni []byte, now time.Time) {
	e.refuse(RefusedCookie)
	e.rotateCookies(now)
	cookie := e.cookies.Make(ni, d.Path.Remote.Addr(), h.SPIi)
	e.unprotected(d, h, &message.Notify{Kind: message.Cookie, Data: cookie})
}

func (e *Engine) rotateCookies(now time.Time) {
	if e.rotateAt.IsZero() {
		e.rotateAt = now.Add(cookieLife)
	}
	for range 2 {
		if now.Before(e.rotateAt) {
			return
		}
		if err := e.cookies.Rotate(); err != nil {
			e.opt.Log.Error("ike: cookie secret not renewed", "err", err)
			return
		}
		e.rotateAt = e.rotateAt.Add(cookieLife)
	}
	e.rotateAt = now.Add(cookieLife)
}

// rawHeader reads the fields of a header whose version is not understood.
func rawHeader(b []byte) (message.Header, bool) {
	if len(b) < message.HeaderLen {
		return message.Header{}, false
	}
	return message.Header{
		SPIi:      message.SPI(binary.BigEndian.Uint64(b)),
		SPIr:      message.SPI(binary.BigEndian.Uint64(b[8:])),
		Exchange:  message.ExchangeType(b[18]),
		Flags:     message.Flags(b[19]),
		MessageID: binary.BigEndian.Uint32(b[20:]),
	}, true
}
