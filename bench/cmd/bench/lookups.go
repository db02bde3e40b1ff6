package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"warren/bench"
)

// parseLookups reads the flags of lookups. docs is empty where none are to be
// written.
func parseLookups(args []string) (o bench.LookupOptions, docs string, err error) {
	f := flag.NewFlagSet("bench lookups", flag.ContinueOnError)
	f.IntVar(&o.Rounds, "rounds", 0, "how often each figure is measured (5)")
	f.StringVar(&docs, "docs", "docs", "where lookups.md goes; empty: nowhere")
	sizes := f.String("sizes", "", "numbers of rules, joined by commas (1000,10000,100000)")
	if err := f.Parse(args); err != nil {
		return o, "", flag.ErrHelp
	}
	if f.NArg() > 0 {
		return o, "", fmt.Errorf("bench: what is %q?", f.Arg(0))
	}
	for word := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(word)
		if *sizes == "" {
			break
		}
		if err != nil || n < 1 {
			return o, "", fmt.Errorf("bench: %q is no number of rules", word)
		}
		o.Sizes = append(o.Sizes, n)
	}
	return o, docs, nil
}

func lookups(ctx context.Context, args []string) (err error) {
	o, docs, err := parseLookups(args)
	if err != nil {
		return err
	}
	if o.Dir, err = os.MkdirTemp("", "warren-bench-"); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	o.Progress = os.Stderr
	all, err := bench.MeasureLookups(ctx, o)
	if err != nil {
		return err
	}
	return putPage(docs, "lookups.md", bench.LookupsPage(all, o))
}
