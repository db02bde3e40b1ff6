package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A Stream is UDP at a steady rate from one node to another and back: numbered
// packets, each of which the far end returns.
type Stream struct {
	near, far *net.UDPConn
	stop      chan struct{}
	wg        sync.WaitGroup
	there     *tally // at the far end
	back      *tally // at the near end
	sent      uint64
}

// StreamStats is what became of the packets of a Stream, each way by itself: of
// those that got there, how many came back.
type StreamStats struct {
	Sent, There, Back         uint64
	TwiceThere, TwiceBack     uint64
	LostThere, LostBack       []uint64 // the first few numbers
	DisorderThere, DisorderBk uint64
}

const (
	streamSize   = 256
	streamBuffer = 8 << 20
	streamBurst  = 16 // packets after a pause of the machine
	streamLate   = 3 * time.Second
	firstLost    = 8
)

// StartStream sends pps packets a second from the node to a port of another
// one's address.
func (n *Node) StartStream(to *Node, addr netip.AddrPort, pps int) (*Stream, error) {
	s := &Stream{stop: make(chan struct{}), there: newTally(), back: newTally()}
	err := to.Do(func() (err error) {
		s.far, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("lab: %s: stream: %w", to.Name, err)
	}
	err = n.Do(func() (err error) {
		s.near, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
		return err
	})
	if err != nil {
		s.far.Close()
		return nil, fmt.Errorf("lab: %s: stream: %w", n.Name, err)
	}
	for _, c := range []*net.UDPConn{s.near, s.far} {
		if err := c.SetReadBuffer(streamBuffer); err != nil {
			return nil, errors.Join(fmt.Errorf("lab: stream: %w", err), s.near.Close(), s.far.Close())
		}
	}
	s.wg.Go(func() { s.there.run(s.far, true) })
	s.wg.Go(func() { s.back.run(s.near, false) })
	s.wg.Go(func() { s.send(time.Second / time.Duration(pps)) })
	return s, nil
}

// send keeps the rate; what a pause of the machine has held up is left out.
func (s *Stream) send(every time.Duration) {
	b := make([]byte, streamSize)
	tick := time.NewTicker(max(every, time.Millisecond))
	defer tick.Stop()
	for next := time.Now(); ; {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			if late := now.Sub(next); late > every*streamBurst {
				next = now.Add(-every * streamBurst)
			}
			for ; !next.After(now); next = next.Add(every) {
				binary.BigEndian.PutUint64(b, s.sent)
				if _, err := s.near.Write(b); err == nil {
					s.sent++
				}
			}
		}
	}
}

// Stop ends the stream, waits for what is under way, and says what arrived.
func (s *Stream) Stop() StreamStats {
	close(s.stop)
	time.Sleep(streamLate)
	s.near.Close()
	s.far.Close()
	s.wg.Wait()
	st := StreamStats{Sent: s.sent, There: s.there.count, TwiceThere: s.there.twice, DisorderThere: s.there.disorder,
		Back: s.back.count, TwiceBack: s.back.twice, DisorderBk: s.back.disorder}
	for n := range s.sent {
		switch {
		case !s.there.has(n) && len(st.LostThere) < firstLost:
			st.LostThere = append(st.LostThere, n)
		case s.there.has(n) && !s.back.has(n) && len(st.LostBack) < firstLost:
			st.LostBack = append(st.LostBack, n)
		}
	}
	return st
}

// A tally counts numbered packets, each once. It belongs to one goroutine.
type tally struct {
	seen                   []uint64 // a bit each
	count, twice, disorder uint64
	highest                uint64
}

func newTally() *tally { return new(tally) }

// run reads a socket until it is closed, and returns what came to its sender.
func (t *tally) run(c *net.UDPConn, echo bool) {
	b := make([]byte, streamSize)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n != streamSize {
			continue // an ICMP error of some packet before
		}
		t.add(binary.BigEndian.Uint64(b))
		if echo {
			_, _ = c.WriteToUDPAddrPort(b[:n], from) // a packet that is not sent shows as lost
		}
	}
}

func (t *tally) add(n uint64) {
	for int(n/64) >= len(t.seen) {
		t.seen = append(t.seen, 0)
	}
	if t.has(n) {
		t.twice++
		return
	}
	t.seen[n/64] |= 1 << (n % 64)
	t.count++
	if n < t.highest {
		t.disorder++
	}
	t.highest = max(t.highest, n)
}

func (t *tally) has(n uint64) bool {
	return int(n/64) < len(t.seen) && t.seen[n/64]&(1<<(n%64)) != 0
}
