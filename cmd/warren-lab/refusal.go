package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"warren/control"
)

// atOnce is how soon an application must hear that a destination is
// unreachable.
const atOnce = time.Second

// refusal shows the other half: the third gateway says no, and what the first
// two have built goes away again, the innermost first.
func (s *show) refusal(ctx context.Context) error {
	s.step("sg3 refuses: its daemon comes back with another secret")
	if _, err := s.sender.Command(ctx, "down", "all"); err != nil {
		return err
	}
	if err := s.nothingAccepted(ctx); err != nil {
		return err
	}
	if err := s.changeSecret(ctx); err != nil {
		return err
	}
	from := s.events.Len()
	if err := s.upFails(ctx); err != nil {
		return err
	}
	if err := s.rolledBack(from); err != nil {
		return err
	}
	if err := s.nothingAccepted(ctx); err != nil {
		return err
	}
	if err := s.pingFails(ctx); err != nil {
		return err
	}
	return s.connectFails()
}

// upFails asks for the chain and wants to hear why there is none.
func (s *show) upFails(ctx context.Context) error {
	out, code, err := s.Verb(ctx, "--socket", s.Sender.Outside(s.sender.Socket), "up", "web")
	if err != nil {
		return err
	}
	s.quote("warren up web", out)
	if code != 1 {
		return fmt.Errorf("warren up web ends with code %d, want 1: sg3 should refuse", code)
	}
	return nil
}

func (s *show) changeSecret(ctx context.Context) error {
	if err := s.gateways[2].Stop(); err != nil {
		return err
	}
	g := s.Gateways[2]
	c := s.GatewayConfig(g)
	c.PSK = "another secret than the one before"
	w, err := g.StartWarren(ctx, c)
	if err != nil {
		return err
	}
	s.gateways[2] = w
	return nil
}

// pingFails pings once: the answer must be an ICMP error, and soon.
func (s *show) pingFails(ctx context.Context) error {
	start := time.Now()
	st, err := s.Sender.Ping(ctx, s.ReceiverAddr, 1, time.Second, "-W", "10")
	if err != nil {
		return err
	}
	s.quote("ping -c 1 203.0.113.77", st.Output)
	took := time.Since(start)
	if st.Received != 0 || st.Errors == 0 {
		return fmt.Errorf("ping got %d answers and %d errors, want an ICMP error", st.Received, st.Errors)
	}
	if took > atOnce {
		return fmt.Errorf("ping heard of it after %v, want at most %v", took, atOnce)
	}
	return nil
}

// rolledBack waits for the events of the rollback and checks their order.
func (s *show) rolledBack(from int) error {
	down := func(layer int) func(control.Event) bool {
		return func(ev control.Event) bool { return ev.Kind == control.EventLayerDown && ev.Layer == layer }
	}
	if _, err := s.events.Wait(from, 10*time.Second, down(1)); err != nil {
		return err
	}
	return same("the tunnels went down", pick(s.events.Since(from), control.EventLayerDown), []string{"2 sg2", "1 sg1"})
}

// nothingAccepted checks that no gateway has an SA with anybody.
func (s *show) nothingAccepted(ctx context.Context) error {
	for i, g := range s.gateways {
		if err := g.WaitAccepted(ctx, 0, 5*time.Second); err != nil {
			return err
		}
		sas, err := g.Client().SAs(ctx)
		if err != nil {
			return err
		}
		if len(sas) != 0 {
			return fmt.Errorf("sg%d still has %d SAs", i+1, len(sas))
		}
	}
	s.say("SAs left at sg1, sg2 and sg3: 0, 0, 0")
	return nil
}

// connectFails connects over TCP: an application must see the error at once.
func (s *show) connectFails() error {
	start := time.Now()
	err := s.Sender.Do(func() error {
		d := net.Dialer{Timeout: 2 * atOnce}
		c, err := d.Dial("tcp", netip.AddrPortFrom(s.ReceiverAddr, 443).String())
		if err == nil {
			c.Close()
		}
		return err
	})
	took := time.Since(start)
	s.say("connect to 203.0.113.77 port 443: %v (%.0f ms)", err, float64(took.Microseconds())/1000)
	if !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.ENETUNREACH) {
		return fmt.Errorf("connect says %v, want unreachable", err)
	}
	if took > atOnce {
		return fmt.Errorf("connect failed after %v, want at most %v", took, atOnce)
	}
	return nil
}
