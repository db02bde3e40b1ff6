package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"warren/bench"
)

const establishDoc = "establish.md"

func parseEstablish(args []string) (o bench.EstablishOptions, p places, err error) {
	f := flag.NewFlagSet("bench establish", flag.ContinueOnError)
	f.IntVar(&o.Sessions, "sessions", 0, "how many of each load (1000)")
	f.IntVar(&o.Parallel, "parallel", 0, "how many are under way at a time, in one of the loads (8)")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each responder is measured (5)")
	err = p.parse(f, establishDoc, args)
	return o, p, err
}

func establish(ctx context.Context, args []string) error {
	o, p, err := parseEstablish(args)
	if err != nil {
		return err
	}
	o.Progress = os.Stderr
	r, err := bench.MeasureEstablish(ctx, o)
	if err != nil {
		return err
	}
	fmt.Print(r.Ratios())
	return p.put(r, establishDoc)
}
