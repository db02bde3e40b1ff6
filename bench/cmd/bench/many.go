package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"warren/bench"
)

func parseMany(args []string) (o bench.ManyOptions, docs string, err error) {
	f := flag.NewFlagSet("bench many", flag.ContinueOnError)
	f.IntVar(&o.Clients, "clients", 0, "how many (10000)")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each rate is measured (5)")
	f.IntVar(&o.Probe, "probe", 0, "milliseconds of each trial of a rate (200)")
	f.StringVar(&docs, "docs", "docs", "where many.md goes; empty: nowhere")
	if err := f.Parse(args); err != nil {
		return o, "", flag.ErrHelp
	}
	if f.NArg() > 0 {
		return o, "", fmt.Errorf("bench: what is %q?", f.Arg(0))
	}
	return o, docs, nil
}

func many(ctx context.Context, args []string) error {
	o, docs, err := parseMany(args)
	if err != nil {
		return err
	}
	o.Progress = os.Stderr
	res, err := bench.MeasureMany(ctx, o)
	if err != nil {
		return err
	}
	if docs == "" {
		fmt.Print(res.Page())
		return nil
	}
	return writeDoc(docs, "many.md", res.Page())
}
