package main

import (
	"context"
	"flag"
	"os"

	"warren/bench"
)

const manyDoc = "many.md"

func parseMany(args []string) (o bench.ManyOptions, p places, err error) {
	f := flag.NewFlagSet("bench many", flag.ContinueOnError)
	f.IntVar(&o.Clients, "clients", 0, "how many (10000)")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each rate is measured (5)")
	f.IntVar(&o.Probe, "probe", 0, "milliseconds of each trial of a rate (200)")
	err = p.parse(f, manyDoc, args)
	return o, p, err
}

func many(ctx context.Context, args []string) error {
	o, p, err := parseMany(args)
	if err != nil {
		return err
	}
	o.Progress = os.Stderr
	r, err := bench.MeasureMany(ctx, o)
	if err != nil {
		return err
	}
	return p.put(r, manyDoc)
}
