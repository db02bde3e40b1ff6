package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/control"
	"warren/lab"
)

// demoLimit is when the demo gives up. It takes about a minute.
const demoLimit = 5 * time.Minute

const picture = `
  sender ---- router ---- sg1   192.0.2.1      leases 10.99.1.0/24
  (alice)       |-------- sg2   198.51.100.1   leases 10.99.2.0/24
                '-------- sg3   203.0.113.1    leases 10.99.3.0/24
                           '--- receiver (bob) 203.0.113.77
`

// A show is one run of the demo.
type show struct {
	*network
	events *lab.Events
	begin  time.Time
	number int
}

func demo(ctx context.Context) (err error) {
	warren, err := warrenPath()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	s := &show{begin: time.Now()}
	s.step("figure 2 in network namespaces, a warren daemon in each node but the router")
	if s.network, err = startNetwork(ctx, warren); err != nil {
		return err
	}
	fmt.Print(picture)
	err = s.acts(ctx)
	if err != nil && ctx.Err() == nil {
		s.logs()
	}
	s.step("clean up")
	if ferr := s.finish(); ferr != nil {
		return errors.Join(err, ferr)
	}
	s.say("no namespace, link, process or file is left")
	return err
}

func (s *show) acts(ctx context.Context) error {
	s.events = s.sender.Events(ctx)
	defer s.events.Stop()
	for _, act := range []func(context.Context) error{s.explain, s.firstPacket, s.tree, s.rates, s.refusal} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *show) step(format string, args ...any) {
	s.number++
	fmt.Printf("\n== %d. %s   [%.0f s]\n", s.number, fmt.Sprintf(format, args...), time.Since(s.begin).Seconds())
}

func (s *show) say(format string, args ...any) { fmt.Printf("   "+format+"\n", args...) }

// quote prints what a program wrote, set off from our own lines.
func (s *show) quote(command, output string) {
	fmt.Printf("   $ %s\n", command)
	for line := range strings.Lines(strings.TrimRight(output, "\n") + "\n") {
		fmt.Print("     ", line)
	}
}

// logs shows the last words of every daemon, after a failure.
func (s *show) logs() {
	for _, p := range s.Processes() {
		if strings.Contains(p.Name, "warren-") {
			s.quote("tail -n 8 "+p.Name+".log", p.Tail(8))
		}
	}
}

func (s *show) explain(ctx context.Context) error {
	s.step("what the rules make of a packet, before anything is sent")
	args := []string{"explain", "10.200.0.1", s.ReceiverAddr.String(), "tcp/443"}
	out, code, err := s.Verb(ctx, append(args, "-c", s.sender.File)...)
	if err != nil {
		return err
	}
	s.quote("warren "+strings.Join(args, " ")+" -c alice.yaml", out)
	if code != 0 {
		return fmt.Errorf("warren explain ends with code %d", code)
	}
	return nil
}

func (s *show) firstPacket(ctx context.Context) error {
	s.step("ping: the first packet builds the chain")
	from, start := s.events.Len(), time.Now()
	st, err := s.Sender.Ping(ctx, s.ReceiverAddr, 5, 200*time.Millisecond)
	if err != nil {
		return err
	}
	s.quote("ping -c 5 203.0.113.77", st.Output)
	if st.Lost() != 0 {
		return fmt.Errorf("%d of %d pings were lost", st.Lost(), st.Sent)
	}
	got := pick(s.events.Since(from), control.EventLayerUp)
	want := []string{"1 sg1", "2 sg2", "3 sg3", "4 bob"}
	for _, ev := range s.events.Since(from) {
		if ev.Kind == control.EventLayerUp {
			s.say("%6.0f ms  layer %d up: %s with %s", float64(ev.Time.Sub(start).Microseconds())/1000, ev.Layer, ev.Mode, ev.Peer)
		}
	}
	return same("the layers came up", got, want)
}

func (s *show) tree(ctx context.Context) error {
	s.step("the tree of tunnels")
	out, err := s.sender.Command(ctx, "status")
	if err != nil {
		return err
	}
	s.quote("warren status", out)
	return nil
}

// pick lists the events of one kind as "LAYER PEER".
func pick(events []control.Event, kind string) []string {
	var got []string
	for _, ev := range events {
		if ev.Kind == kind {
			got = append(got, fmt.Sprintf("%d %s", ev.Layer, ev.Peer))
		}
	}
	return got
}

func same(what string, got, want []string) error {
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		return fmt.Errorf("%s as [%s], want [%s]", what, strings.Join(got, ", "), strings.Join(want, ", "))
	}
	return nil
}
