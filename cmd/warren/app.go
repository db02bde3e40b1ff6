package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"warren/config"
	"warren/control"
)

// The exit codes.
const (
	exitGood     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitDegraded = 3
	exitDown     = 4
)

// socketDir is where daemons put their sockets if nothing else is said.
const socketDir = "/run/warren"

// An app is one invocation: its streams and global flags.
type app struct {
	out, err io.Writer
	config   string
	socket   string
	output   string
	started  bool // arguments were fine: what fails from now on is no usage error
}

// An endError ends the command with a code. A nil Err was told already.
type endError struct {
	code int
	err  error
}

func (e *endError) Error() string {
	if e.err == nil {
		return "exit"
	}
	return e.err.Error()
}

func (e *endError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &endError{exitUsage, fmt.Errorf(format, args...)}
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string, out, err io.Writer) int {
	a := &app{out: out, err: err}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(err)
	return a.report(root.ExecuteContext(ctx))
}

// report prints err as one line and turns it into an exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitGood
	}
	code := exitCode(err, a.started)
	var exit *endError
	if errors.As(err, &exit) && exit.err == nil {
		return code
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(a.err, "warren: %s\n", oneLine(err.Error()))
	if code == exitUsage {
		fmt.Fprintln(a.err, "Try: warren --help")
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "warren",
		Short: "Nested IPsec tunnels, built for the first packet and taken down in order",
		Long: "warren carries traffic through nested IPsec tunnels: each gateway is reached\n" +
			"through the one before it. A packet is matched against rules, the tunnels it\n" +
			"needs are built outermost first, and what fails is rolled back.\n\n" +
			"Exit codes: 0 good, 1 error, 2 usage, 3 degraded, 4 down.",
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.start() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.config, "config", "c", "", "configuration `FILE`")
	flags.StringVar(&a.socket, "socket", "", "control socket `PATH` (default: the config's, or the only one in "+socketDir+")")
	flags.StringVarP(&a.output, "output", "o", "text", "`text` or json")
	root.AddCommand(a.runCommand(), a.checkCommand(), a.explainCommand(), a.statusCommand(), a.upCommand(),
		a.downCommand(), a.rekeyCommand(), a.reauthCommand(), a.reloadCommand(), a.topCommand(), a.showCommand(), a.eventsCommand(), a.doctorCommand(), a.pkiCommand(), a.versionCommand())
	return root
}

// start judges the global flags.
func (a *app) start() error {
	if a.output != "text" && a.output != "json" {
		return usage("-o is %q; write -o text or -o json", a.output)
	}
	a.started = true
	return nil
}

func (a *app) json() bool { return a.output == "json" }

// printJSON prints v for machines.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printLine prints v for machines, in one line.
func (a *app) printLine(v any) error { return json.NewEncoder(a.out).Encode(v) }

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// needConfig is the file named with -c.
func (a *app) needConfig(verb string) (string, error) {
	if a.config == "" {
		return "", usage("%s needs a configuration: warren %s -c FILE", verb, verb)
	}
	return a.config, nil
}

// client is for the daemon that --socket, the config or the only socket there
// is leads to.
func (a *app) client() (*control.Client, error) {
	path, err := a.socketPath()
	if err != nil {
		return nil, err
	}
	return control.NewClient(path), nil
}

// asking is the run of a verb that talks to the daemon.
func (a *app) asking(do func(ctx context.Context, c *control.Client) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		defer c.Close()
		return do(cmd.Context(), c)
	}
}

func (a *app) socketPath() (string, error) {
	if a.socket != "" {
		return a.socket, nil
	}
	if a.config != "" {
		c, err := config.LoadWith(a.config, config.Options{NoSecrets: true, NoChecks: true})
		if err != nil {
			return "", err
		}
		return c.Control.Socket, nil
	}
	found, err := filepath.Glob(filepath.Join(socketDir, "*.sock"))
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", &endError{exitDown, fmt.Errorf("no daemon runs here: there is no socket in %s; start one with warren run -c FILE, or name its socket with --socket", socketDir)}
	case len(found) > 1:
		return "", fmt.Errorf("several daemons run here; choose one with --socket: %s", list(found))
	}
	return found[0], nil
}
