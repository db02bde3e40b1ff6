// Package doctor looks for what keeps a machine from running a node, or from
// running it well: privileges, devices, what the kernel can do, what is in the
// way, and the state of a node that runs.
//
// What the kernel can do is tried out, with the code that the node itself uses,
// in a network namespace that is made for it and goes at once. In the machine's
// own namespace nothing is changed; ports are bound for a moment.
package doctor

import (
	"context"
	"strings"

	"warren/config"
	"warren/control"
)

// A Status says how a check went.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, but not as well as it could
	Fail Status = "fail" // the node does not run, or does not do what it was told
	Skip Status = "skip" // not looked at; the detail says why
)

// A Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"` // what was found
	Fix    string `json:"fix"`    // the way out, empty where there is nothing to do
}

// Options say what is looked at.
type Options struct {
	Config  string // path of the node's configuration; empty: what every node needs
	Version string // of the program that asks

	// Daemon talks to the node's socket, whether something answers or not. Nil
	// where there is none, for the reason NoDaemon.
	Daemon   *control.Client
	NoDaemon error
}

// A patient is the machine and the node, and what is known of them so far.
type patient struct {
	Options
	ctx     context.Context
	cfg     *config.Config // complete only where usable is set
	usable  bool
	running bool // a daemon answers
	status  control.Status
}

// Run makes all checks, in the order in which things depend on each other.
func Run(ctx context.Context, o Options) []Check {
	p := &patient{Options: o, ctx: ctx, cfg: &config.Config{}}
	var all []Check
	for _, check := range []func() []Check{
		p.configuration, p.daemon, p.privileges, p.kernel, p.ipsec,
		p.device, p.ports, p.filters, p.forwarding, p.peers, p.cipher, p.clock,
	} {
		all = append(all, check()...)
	}
	return all
}

func ok(name, detail string) []Check        { return []Check{{name, OK, detail, ""}} }
func skip(name, why string) []Check         { return []Check{{name, Skip, why, ""}} }
func warn(name, detail, fix string) []Check { return []Check{{name, Warn, detail, fix}} }
func fail(name, detail, fix string) []Check { return []Check{{name, Fail, detail, fix}} }

// told makes a check of an error that names the way out itself.
func told(name string, status Status, err error) []Check {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	for _, pkg := range []string{"host", "tun", "underlay", "doctor"} {
		text = strings.TrimPrefix(text, pkg+": ")
	}
	return []Check{{name, status, text, ""}}
}

// noConfig is why a check is left out.
const noConfig = "needs a configuration without errors: warren doctor -c FILE"
