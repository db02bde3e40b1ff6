package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"warren/bench"
)

// parseEstablish reads the flags of establish. docs and out are empty where nothing
// is to be written.
func parseEstablish(args []string) (o bench.EstablishOptions, docs, out string, err error) {
	f := flag.NewFlagSet("bench establish", flag.ContinueOnError)
	f.IntVar(&o.Sessions, "sessions", 0, "how many of each load (1000)")
	f.IntVar(&o.Parallel, "parallel", 0, "how many are under way at a time, in one of the loads (8)")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each responder is measured (5)")
	f.StringVar(&docs, "docs", "docs", "where establish.md goes; empty: nowhere")
	f.StringVar(&out, "out", "bench/results", "where the figures go, as JSON; empty: nowhere")
	if err := f.Parse(args); err != nil {
		return o, "", "", flag.ErrHelp
	}
	if f.NArg() > 0 {
		return o, "", "", fmt.Errorf("bench: what is %q?", f.Arg(0))
	}
	return o, docs, out, nil
}

func establish(ctx context.Context, args []string) error {
	o, docs, out, err := parseEstablish(args)
	if err != nil {
		return err
	}
	o.Progress = os.Stderr
	res, err := bench.MeasureEstablish(ctx, o)
	if err != nil {
		return err
	}
	fmt.Print(res.Ratios())
	if out != "" {
		if _, err := res.Save(out); err != nil {
			return err
		}
	}
	if docs == "" {
		fmt.Print(res.Page())
		return nil
	}
	return writeDoc(docs, "establish.md", res.Page())
}
