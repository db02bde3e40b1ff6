package lab

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"warren/control"
)

// A Warren is a warren daemon in a node.
type Warren struct {
	*Process

	Node   *Node
	File   string // its configuration
	Socket string // its control socket, in the node's own /run

	client *control.Client
}

// WriteConfig writes a node's configuration and secrets without running it,
// and returns the file's name.
func (n *Node) WriteConfig(c Config) (string, error) {
	if c.Mode.Workers == 0 {
		c.Mode.Workers = n.lab.mode.Workers
	}
	if len(c.Mode.Offloads) == 0 {
		c.Mode.Offloads = n.lab.mode.Offloads
	}
	for name, content := range c.files() {
		if err := n.WriteFile(name, content); err != nil {
			return "", err
		}
	}
	if err := n.WriteFile(c.Name+".yaml", c.YAML(c.socket())); err != nil {
		return "", err
	}
	return n.Path(c.Name + ".yaml"), nil
}

func (c Config) socket() string { return "/run/warren/" + c.Name + ".sock" }

// Outside is how a path in the node's own /run is reached from outside.
func (n *Node) Outside(path string) string { return fmt.Sprintf("/proc/%d/root%s", n.Pid(), path) }

// StartWarren writes the configuration, runs warren with it, and returns when
// the daemon answers on its control socket.
func (n *Node) StartWarren(ctx context.Context, c Config) (*Warren, error) {
	file, err := n.WriteConfig(c)
	if err != nil {
		return nil, err
	}
	w := &Warren{Node: n, File: file, Socket: c.socket(), client: control.NewClient(n.Outside(c.socket()))}
	args := []string{n.lab.warren, "run", "-c", file, "--log", orDefault(c.Log, "info")}
	w.Process, err = n.Start(Spec{Name: "warren-" + c.Name, Args: args, Ready: func() error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := w.client.Version(ctx)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Client talks to the daemon.
func (w *Warren) Client() *control.Client { return w.client }

// Command runs a warren verb against the daemon: "up", "web".
func (w *Warren) Command(ctx context.Context, args ...string) (string, error) {
	return w.Node.Run(ctx, append([]string{w.Node.lab.warren, "--socket", w.Socket}, args...)...)
}

// Chain is the state of one chain.
func (w *Warren) Chain(ctx context.Context, name string) (control.Chain, error) {
	st, err := w.client.Status(ctx)
	if err != nil {
		return control.Chain{}, err
	}
	var names []string
	for _, c := range st.Chains {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return control.Chain{}, fmt.Errorf("lab: %s has no chain %q, it has %v", w.Name, name, names)
}

// WaitChain waits until a chain is in a state.
func (w *Warren) WaitChain(ctx context.Context, name, state string, within time.Duration) error {
	return Poll(within, func() error {
		c, err := w.Chain(ctx, name)
		if err == nil && c.State != state {
			err = fmt.Errorf("lab: chain %s is %s, want %s; %s", name, c.State, state, c.Reason)
		}
		return err
	})
}

// WaitAccepted waits until the daemon answers for exactly count sessions.
func (w *Warren) WaitAccepted(ctx context.Context, count int, within time.Duration) error {
	return Poll(within, func() error {
		st, err := w.client.Status(ctx)
		if err == nil && len(st.Accepted) != count {
			err = fmt.Errorf("lab: %s has %d accepted sessions, want %d: %+v", w.Name, len(st.Accepted), count, st.Accepted)
		}
		return err
	})
}

// Build builds the warren binary into dir, from the module that the working
// directory is in, and returns its path. Flags are go build's.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	args := slices.Concat([]string{"build", "-o", dir + "/"}, flags, []string{"warren/cmd/warren"})
	c := exec.CommandContext(ctx, "go", args...)
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("lab: go build: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return filepath.Join(dir, "warren"), nil
}

// Verb runs a warren verb that needs no daemon, outside of any node, and
// returns its output and exit code.
func (l *Lab) Verb(ctx context.Context, args ...string) (string, int, error) {
	c := exec.CommandContext(ctx, l.warren, args...)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode(), nil
	}
	return string(out), 0, err
}
