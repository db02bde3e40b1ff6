// Command bench measures warren.
//
//	bench peers [FLAGS]      warren beside other systems; docs and results are written
//	bench report FILE        write the docs again from a result
//	bench lookups [FLAGS]    rules looked up, beside dpdk-test-acl where it is installed
//	bench many [FLAGS]       a gateway with many clients, beside itself with one
//	bench establish [FLAGS]  IKE SAs as responder, beside strongSwan's charon
//	bench table              read the output of `go test -bench` and print it as one table
//	bench table DIR          the same, and DIR/inprocess.md is written
//
// Its working directory is the repository, as `make bench` and `make
// bench-peers` have it. peers, many and establish need root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"warren/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case interrupted:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "peers":
		return peers(ctx, args[1:])
	case verb == "lookups":
		return lookups(ctx, args[1:])
	case verb == "many":
		return many(ctx, args[1:])
	case verb == "establish":
		return establish(ctx, args[1:])
	case verb == "report" && len(args) == 2:
		r, err := bench.Load(args[1])
		if err != nil {
			return err
		}
		return write(r, "docs", args[1])
	case verb == "table" && len(args) <= 2:
		lines, err := bench.ParseGo(os.Stdin)
		if err != nil {
			return err
		}
		fmt.Print(bench.GoTable(lines))
		if len(args) < 2 {
			return nil
		}
		return writeDoc(args[1], "inprocess.md", bench.InprocessPage(lines))
	}
	fmt.Fprintln(os.Stderr, "usage: bench peers [FLAGS] | bench report FILE | bench lookups [FLAGS] | bench many [FLAGS] | bench establish [FLAGS] | bench table [DIR]")
	return flag.ErrHelp
}

// write puts a result into the docs.
func write(r *bench.Result, dir, source string) error {
	const page, plot = "performance.md", "performance.svg"
	return errors.Join(writeDoc(dir, plot, r.SVG()), writeDoc(dir, page, r.Markdown(plot, filepath.ToSlash(source))))
}
