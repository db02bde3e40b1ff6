package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"warren/lab"
)

// Run measures the systems, round by round, each time in a new order and each
// in a new lab. It ends early, with what it has, when ctx does. A system that
// fails is noted in the result and tried again in the next round.
func Run(ctx context.Context, o Options, tools Tools) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	systems, err := Pick(o.Systems)
	if err != nil {
		return nil, err
	}
	res := &Result{Started: time.Now().UTC().Truncate(time.Second), Label: o.Label, Machine: ThisMachine(),
		Options: o, Systems: make(map[string]About), Version: versions(ctx)}
	for round := range o.Rounds {
		for i := range systems {
			s := systems[(i+round)%len(systems)]
			r := res.cell(ctx, s, round, tools)
			if ctx.Err() != nil {
				return res, ctx.Err()
			}
			res.Rounds = append(res.Rounds, r)
			res.Minutes = time.Since(res.Started).Minutes()
			fmt.Fprintf(o.Progress, "%4.1f min  round %d  %-14s %s\n", res.Minutes, round+1, s.Name, r.line())
		}
	}
	return res, nil
}

// cell is one system in one round.
func (r *Result) cell(ctx context.Context, s System, number int, tools Tools) Round {
	round := Round{System: s.Name, Round: number, Figures: make(map[string]float64)}
	if err := r.try(ctx, s, &round, tools); err != nil {
		round.Error = strings.TrimSpace(err.Error())
	}
	return round
}

func (r *Result) try(ctx context.Context, s System, round *Round, tools Tools) (err error) {
	l, err := lab.New(lab.Options{Warren: tools.warren(s)})
	if err != nil {
		return err
	}
	defer func() {
		cerr := l.Close()
		if left := l.Left(); len(left) > 0 {
			cerr = errors.Join(cerr, fmt.Errorf("bench: left behind: %v", left))
		}
		err = errors.Join(err, cerr)
	}()
	p, err := s.start(ctx, l, tools)
	if err != nil {
		return err
	}
	r.Systems[s.Name] = About{Title: s.Title, Setup: s.setup, MTU: p.mtu, Suite: p.suite, Layers: s.layers}
	ss := session{opt: r.Options, path: p, round: round}
	ss.start = func(key string) float64 { return r.guess(s.Name, key) }
	return ss.measure(ctx)
}

// guess is where the search of a rate starts: a little below what was found
// before, which saves trials and does not change what is found.
func (r *Result) guess(system, key string) float64 {
	const below = 0.7
	return r.Summary(system, key).Median * below
}

// line is a round in short.
func (r Round) line() string {
	var b strings.Builder
	for _, m := range Metrics() {
		if v, ok := r.Figures[m.Key]; ok {
			fmt.Fprintf(&b, "%s %s  ", m.Key, number(v*m.Scale))
		}
	}
	if r.Error != "" {
		first, _, _ := strings.Cut(r.Error, "\n")
		b.WriteString("ERROR " + first)
	}
	return b.String()
}
