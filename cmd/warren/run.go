package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"warren/config"
	"warren/host"
	"warren/node"
)

func (a *app) runCommand() *cobra.Command {
	level := slog.LevelInfo
	dumps := false
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run the daemon until SIGINT or SIGTERM",
		Long: "run builds chains as traffic and rules ask for, and answers peers. It logs to\n" +
			"stderr (as JSON with -o json), takes everything down in order on SIGINT or\n" +
			"SIGTERM, and at once on the second signal. On SIGHUP it reads its configuration\n" +
			"anew, as warren reload has it do.",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := a.needConfig("run")
			if err != nil {
				return err
			}
			// Before a secret is read.
			if err := host.SetDumpable(dumps); err != nil {
				return err
			}
			return a.run(cmd.Context(), path, level)
		},
	}
	cmd.Flags().BoolVar(&dumps, "core-dumps", false, "let core dumps and debuggers have the daemon's memory, with its keys")
	cmd.Flags().TextVar(&level, "log", level, "least `LEVEL` of log lines: debug, info, warn or error")
	return cmd
}

func (a *app) run(ctx context.Context, path string, level slog.Level) error {
	log := a.logger(level)
	c, err := a.load(path)
	if err != nil {
		return a.badConfig(err, config.Problem.OneLine)
	}
	if c.AllowKeyExport { // then a dump says no more than may be asked for
		if err := host.SetDumpable(true); err != nil {
			return err
		}
	}
	for _, w := range c.Warnings {
		log.Warn(w.Message, "at", w.Place(), "fix", w.Fix)
	}
	n, err := node.New(c, node.Options{Version: version(), Log: log, Load: func() (*config.Config, error) { return a.load(path) }})
	if err != nil {
		return err
	}
	defer onHangup(func() { _, _ = n.Reload() })() // which logs what comes of it
	if err := n.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// load reads the daemon's configuration.
func (a *app) load(path string) (*config.Config, error) {
	c, err := config.Load(path)
	if err == nil && a.socket != "" {
		c.Control.Socket = a.socket
	}
	return c, err
}

// onHangup calls f for SIGHUP until the function that it returns is called.
func onHangup(f func()) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-hangups:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(hangups); close(done) }
}

// logger writes to stderr.
func (a *app) logger(level slog.Level) *slog.Logger {
	opt := &slog.HandlerOptions{Level: level}
	if a.json() {
		return slog.New(slog.NewJSONHandler(a.err, opt))
	}
	return slog.New(slog.NewTextHandler(a.err, opt))
}
