package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"warren/bench/blast"
	"warren/lab"
)

const (
	iperfPort = 5200 // and the number of streams: a server may still tidy up after the last transfer
	blastPort = 7777

	// Between two pings. For less than 10 ms ping does not sleep but spins: then a
	// processor is awake, and half of one is taken from what else is measured.
	idleEvery   = 2 * time.Millisecond
	rareEvery   = 20 * time.Millisecond
	loadedEvery = 50 * time.Millisecond

	rampUp = 300 * time.Millisecond // of TCP, before round trips count as loaded

	udpHeaders = 28 // IPv4 and UDP
)

// A session measures one system once.
type session struct {
	opt   Options
	path  *path
	round *Round

	start func(key string) float64 // where to begin the search of a rate
	run   uint32
}

// measure does everything that can be done, and says what could not.
func (s *session) measure(ctx context.Context) error {
	for _, streams := range []int{1, 4} {
		if _, err := s.path.to.StartIperfServer(iperfPort + streams); err != nil {
			return err
		}
	}
	var errs []error
	for _, step := range steps() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(s.opt.Only) == 0 || slices.Contains(s.opt.Only, step.key) {
			errs = append(errs, step.do(s, ctx))
		}
	}
	return errors.Join(errs...)
}

// A step measures the figure key, and maybe others on the way.
type step struct {
	key string
	do  func(*session, context.Context) error
}

// steps is all that is measured, in this order.
func steps() []step {
	all := []step{{RTTIdle, (*session).idle}, {RTTRare, (*session).rare}, {TCP1, (*session).oneStream}, {TCP4, (*session).fourStreams}}
	for _, size := range Sizes() {
		all = append(all, step{UDP(size), func(s *session, ctx context.Context) error { return s.udp(ctx, size) }})
	}
	return all
}

// Steps are what Options.Only may name.
func Steps() (keys []string) {
	for _, s := range steps() {
		keys = append(keys, s.key)
	}
	return keys
}

func (s *session) set(key string, v float64) { s.round.Figures[key] = v }

// idle measures round trips without other traffic. What the first packets set
// in motion does not count.
func (s *session) idle(ctx context.Context) error {
	return s.pings(ctx, RTTIdle, s.opt.Pings, idleEvery)
}

// rare measures them with so much time between them that all sleep meanwhile.
func (s *session) rare(ctx context.Context) error {
	return s.pings(ctx, RTTRare, max(1, s.opt.Pings/4), rareEvery)
}

func (s *session) pings(ctx context.Context, key string, count int, every time.Duration) error {
	if _, err := s.path.from.Ping(ctx, s.path.target, 5, every); err != nil {
		return err
	}
	st, err := s.path.from.Ping(ctx, s.path.target, count, every)
	if err != nil {
		return err
	}
	return s.roundTrips(key, st.Output)
}

func (s *session) roundTrips(key, output string) error {
	sum := Summarize(pingTimes(output))
	if sum.N == 0 {
		return fmt.Errorf("bench: %s: no ping was answered", key)
	}
	s.set(key, sum.Median)
	return nil
}

func (s *session) oneStream(ctx context.Context) error { return s.tcp(ctx, 1, TCP1, CPU1) }

// fourStreams measures round trips meanwhile.
func (s *session) fourStreams(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- s.tcp(ctx, 4, TCP4, CPU4) }()
	time.Sleep(rampUp)
	count := int((time.Duration(s.opt.Seconds)*time.Second - 2*rampUp) / loadedEvery)
	st, err := s.path.from.Ping(ctx, s.path.target, count, loadedEvery)
	if terr := <-done; terr != nil {
		return terr
	}
	if err != nil {
		return err
	}
	return s.roundTrips(RTTLoaded, st.Output)
}

func (s *session) tcp(ctx context.Context, streams int, rate, cpu string) error {
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	res, err := s.path.from.Iperf(ctx, s.path.target, iperfPort+streams, "--time", strconv.Itoa(s.opt.Seconds),
		"--parallel", strconv.Itoa(streams), "--congestion", s.opt.Congestion)
	if err != nil {
		return err
	}
	after, err := s.usage(ctx)
	if err != nil {
		return err
	}
	if sent := after.sent - before.sent; sent < res.Bytes {
		return fmt.Errorf("bench: %s carried %d of %d bytes: the others have gone past it", s.path.device, sent, res.Bytes)
	}
	s.set(rate, res.BitsPerSec)
	used, gigabits := after.cpu.minus(before.cpu), float64(res.Bytes)*8/1e9
	s.set(cpu, used.machine/gigabits)
	if rate == TCP4 {
		s.set(Daemons4, used.daemons/gigabits)
	}
	return nil
}

// usage is what was spent so far.
type usage struct {
	cpu  cpuTime
	sent int64 // bytes by the path's device
}

func (s *session) usage(ctx context.Context) (u usage, err error) {
	if u.sent, err = numberOf(ctx, s.path.from, s.path.device, "statistics/tx_bytes"); err != nil {
		return u, err
	}
	u.cpu, err = cpuNow(s.path.pids())
	return u, err
}

// udp searches the loss-free rate of packets of one size, or of the largest
// that the path carries whole.
func (s *session) udp(ctx context.Context, size int) error {
	to := netip.AddrPortFrom(s.path.target, blastPort)
	r, err := listen(s.path.to, to)
	if err != nil {
		return err
	}
	defer r.Close()
	snd, err := dial(s.path.from, to)
	if err != nil {
		return err
	}
	defer snd.Close()
	key, load := UDP(size), blast.Load{Size: payload(size, s.path.mtu), Segments: s.opt.Segments}
	load.For = time.Duration(s.opt.Probe) * time.Millisecond
	found, err := blast.Search(blast.Limits{Start: s.start(key), Loss: s.opt.Loss}, func(rate float64) (blast.Trial, error) {
		if err := ctx.Err(); err != nil {
			return blast.Trial{}, err
		}
		s.run++
		load.Rate, load.Run = rate, s.run
		return blast.Try(snd, r, load)
	})
	if err != nil {
		return err
	}
	s.set(key, found.Rate)
	if found.Sender {
		s.round.Sender = append(s.round.Sender, key)
	}
	return nil
}

// payload is size, or what is left of the MTU if that is less: fragments would
// measure something else.
func payload(size, mtu int) int { return min(size, mtu-udpHeaders) }

func listen(n *lab.Node, at netip.AddrPort) (r *blast.Receiver, err error) {
	err = n.Do(func() error {
		r, err = blast.Listen(at)
		return err
	})
	return r, err
}

func dial(n *lab.Node, to netip.AddrPort) (s *blast.Sender, err error) {
	err = n.Do(func() error {
		s, err = blast.Dial(to)
		return err
	})
	return s, err
}
