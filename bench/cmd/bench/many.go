package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"warren/bench"
)

// parseMany reads the flags of many. docs and out are empty where nothing is to be
// written.
func parseMany(args []string) (o bench.ManyOptions, docs, out string, err error) {
	f := flag.NewFlagSet("bench many", flag.ContinueOnError)
	f.IntVar(&o.Clients, "clients", 0, "how many (10000)")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each rate is measured (5)")
	f.IntVar(&o.Probe, "probe", 0, "milliseconds of each trial of a rate (200)")
	f.StringVar(&docs, "docs", "docs", "where many.md goes; empty: nowhere")
	f.StringVar(&out, "out", "bench/results", "where the figures go, as JSON; empty: nowhere")
	if err := f.Parse(args); err != nil {
		return o, "", "", flag.ErrHelp
	}
	if f.NArg() > 0 {
		return o, "", "", fmt.Errorf("bench: what is %q?", f.Arg(0))
	}
	return o, docs, out, nil
}

func many(ctx context.Context, args []string) error {
	o, docs, out, err := parseMany(args)
	if err != nil {
		return err
	}
	o.Progress = os.Stderr
	res, err := bench.MeasureMany(ctx, o)
	if err != nil {
		return err
	}
	if out != "" {
		if _, err := res.Save(out); err != nil {
			return err
		}
	}
	if docs == "" {
		fmt.Print(res.Page())
		return nil
	}
	return writeDoc(docs, "many.md", res.Page())
}
