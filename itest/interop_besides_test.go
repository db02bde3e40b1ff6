package itest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"warren/bench/crowd"
	"warren/lab"
)

// besides prepares what the n-th row shows beside its algorithms, and returns how to
// see that it did, once the session is up.
func (p *part) besides(ctx context.Context, n int) (check func() error, err error) {
	switch p.rows[n-1].beside {
	case asBig:
		return func() error { return p.said("IKE message", "received fragment #") }, nil
	case asCookies:
		return p.withCookies(ctx, n)
	case asMoving:
		return func() error { return p.move(ctx, n) }, nil
	}
	return func() error { return nil }, nil
}

// said wants all words to be in strongSwan's log.
func (p *part) said(words ...string) error {
	log := p.charon.Output()
	for _, w := range words {
		if !strings.Contains(log, w) {
			return fmt.Errorf("strongSwan never said %q", w)
		}
	}
	return nil
}

// halfOpenBefore is so many half-open IKE SAs of one address that the next one
// must return a cookie: more than warren's ike.maxUnasked, and strongSwan's
// cookie_threshold_ip, but less than its block_threshold.
func (p *part) halfOpenBefore() int {
	if p.rows[0].initiator == byStrongSwan {
		return 6
	}
	return 4
}

// withCookies leaves half-open IKE SAs at the responder.
func (p *part) withCookies(ctx context.Context, n int) (check func() error, err error) {
	if p.rows[n-1].initiator == byWarren {
		before := strings.Count(p.charon.Output(), "N(COOKIE)")
		check = func() error {
			if got := strings.Count(p.charon.Output(), "N(COOKIE)") - before; got < 2 { // sent, and returned
				return fmt.Errorf("strongSwan saw %d cookies", got)
			}
			return nil
		}
	} else {
		st, err := p.warren.Client().Status(ctx)
		if err != nil {
			return nil, err
		}
		check = func() error {
			now, err := p.warren.Client().Status(ctx)
			if err == nil && now.IKE["cookie"] == st.IKE["cookie"] {
				err = fmt.Errorf("warren asked for no cookie: %v", now.IKE)
			}
			return err
		}
	}
	return check, p.from.Do(func() error { return strayRequests(interopResponder(n, false), p.halfOpenBefore(), p.rows[n-1]) })
}

// strayRequests sends IKE_SA_INIT requests that nothing follows, and waits for the
// answers.
func strayRequests(to netip.Addr, count int, r row) error {
	target := crowd.Target{Addr: to, ID: "nobody.example", PSK: "none", IKE: r.proposal(), ESP: r.esp}
	for range count {
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 500)))
		if err != nil {
			return err
		}
		request, err := target.Request(interopInitiator(false))
		if err == nil {
			_, err = c.Write(request)
		}
		if err == nil {
			_, err = c.Read(make([]byte, 1500))
		}
		if c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// move changes the initiator's address and waits until the responder knows it.
func (p *part) move(ctx context.Context, n int) error {
	dev, old := lab.Device(p.to), onLink(interopInitiator(false))
	err := p.from.IP(ctx, fmt.Sprintf("addr del %v dev %s", old, dev), fmt.Sprintf("addr add %s/%d dev %s", interopMoved, old.Bits(), dev),
		fmt.Sprintf("route add default via %v", interopResponder(1, false)))
	if err != nil {
		return err
	}
	err = lab.Poll(quick, func() error {
		at, err := p.responder.remote(ctx, nameOf(n))
		if err == nil && at != interopMoved {
			err = fmt.Errorf("the responder has its peer at %s", at)
		}
		return err
	})
	if err != nil {
		return err
	}
	s, err := p.settled(ctx, nameOf(n), func(session) bool { return true })
	if err != nil {
		return err
	}
	return p.carries(ctx, n, s.vip)
}
