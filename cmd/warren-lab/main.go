// Command warren-lab runs warren's figure 2 on one machine: sender, router,
// three security gateways and a receiver, each in a network namespace with its
// own warren daemon.
//
//	warren-lab demo               the invention in about a minute, with nothing left behind
//	warren-lab up                 start the network and keep it
//	warren-lab shell NODE [CMD]   a shell, or one command, in a node of it
//	warren-lab down               take it away
//
// It needs root.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

const usage = `usage:
  warren-lab demo               the invention in about a minute, nothing is left behind
  warren-lab up                 start the network of figure 2 and keep it
  warren-lab shell NODE [CMD]   a shell, or one command, in a node of it
  warren-lab down               take it away
`

// errUsage asks for the usage text and exit code 2.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case interrupted:
		fmt.Fprintln(os.Stderr, "warren-lab: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "warren-lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	verb, rest := args[0], args[1:]
	switch {
	case verb == "demo" && len(rest) == 0:
		return demo(ctx)
	case verb == "up" && len(rest) == 0:
		return up()
	case verb == holdVerb && len(rest) == 0:
		return hold(ctx)
	case verb == "down" && len(rest) == 0:
		return down()
	case verb == "shell" && len(rest) > 0:
		return shell(rest[0], rest[1:])
	}
	return errUsage
}

// warrenPath is the warren that was built beside this program.
func warrenPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), "warren")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no warren beside %s: run `make` first", self)
	}
	return path, nil
}
