package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"warren/bench"
)

// how is what peers does beside measuring.
type how struct {
	results, docs string
	warren        string
}

func parse(args []string) (bench.Options, how, error) {
	var o bench.Options
	h := how{}
	f := flag.NewFlagSet("bench peers", flag.ContinueOnError)
	short := f.Bool("short", false, "a look of some four minutes, which leaves the docs alone")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each system is measured (5)")
	f.IntVar(&o.Seconds, "seconds", 0, "how long each TCP transfer takes (4)")
	f.IntVar(&o.Probe, "probe", 0, "milliseconds of each trial of a UDP rate (300)")
	f.Float64Var(&o.Loss, "loss", 0, "what a loss-free rate may lose (0.001)")
	f.IntVar(&o.Segments, "segments", 0, "UDP packets that the sender hands over as one (1)")
	f.StringVar(&o.Congestion, "congestion", "", "the congestion control of TCP (cubic)")
	f.StringVar(&o.Label, "label", "", "what to know about this run")
	f.StringVar(&h.results, "results", "bench/results", "where the figures go")
	f.StringVar(&h.docs, "docs", "docs", "where performance.md and performance.svg go; empty: nowhere")
	f.StringVar(&h.warren, "warren", "", "the warren to measure; empty: build this one")
	only := f.String("only", "", "what is measured of "+strings.Join(bench.Steps(), ",")+"; empty: all")
	systems := f.String("systems", "", "names joined by commas; empty: all")
	if err := f.Parse(args); err != nil {
		return o, h, flag.ErrHelp
	}
	if f.NArg() > 0 {
		return o, h, fmt.Errorf("bench: what is %q?", f.Arg(0))
	}
	if *systems != "" {
		o.Systems = strings.Split(*systems, ",")
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	if *short {
		o = shorten(o)
	}
	if (*short || *only != "") && !given(f, "docs") {
		h.docs = ""
	}
	return o, h, nil
}

// shorten fills in what was not asked for otherwise.
func shorten(o bench.Options) bench.Options {
	s := bench.Shortened()
	s.Systems, s.Only, s.Label, s.Loss = o.Systems, o.Only, o.Label, o.Loss
	s.Segments, s.Congestion = o.Segments, o.Congestion
	if o.Rounds != 0 {
		s.Rounds = o.Rounds
	}
	if o.Seconds != 0 {
		s.Seconds = o.Seconds
	}
	if o.Probe != 0 {
		s.Probe = o.Probe
	}
	return s
}

func given(f *flag.FlagSet, name string) bool {
	found := false
	f.Visit(func(x *flag.Flag) { found = found || x.Name == name })
	return found
}

func peers(ctx context.Context, args []string) error {
	o, h, err := parse(args)
	if err != nil {
		return err
	}
	tools, clean, err := bench.Build(ctx, h.warren)
	if err != nil {
		return err
	}
	defer clean()
	o.Progress = os.Stderr
	r, err := bench.Run(ctx, o, tools)
	if r == nil || len(r.Rounds) == 0 {
		return err
	}
	if err != nil {
		r.Label = strings.TrimSpace(r.Label + " (ended early)")
	}
	path, serr := r.Save(h.results)
	if serr != nil {
		return errors.Join(err, serr)
	}
	fmt.Printf("%s\nfigures: %s\n", r.Text(), path)
	if err != nil || h.docs == "" {
		return err
	}
	return write(r, h.docs, path)
}
