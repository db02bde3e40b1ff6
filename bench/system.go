package bench

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"warren/lab"
)

// A System is something that carries packets between two hosts.
type System struct {
	Name  string // in the JSON and on the command line
	Title string // in the table

	// start brings it up in a lab of its own and returns when packets pass.
	start func(ctx context.Context, l *lab.Lab, tools Tools) (*path, error)

	setup  string
	layers int
}

// Tools are the programs that systems run.
type Tools struct {
	Warren    string
	WireGuard string
}

// A path is a system that runs: traffic goes from one node to an address of
// another.
type path struct {
	from, to *lab.Node
	target   netip.Addr
	device   string // the sender's, which all that goes to the target must take
	mtu      int
	suite    string
	daemons  []*lab.Process
}

func (p *path) pids() []int {
	var pids []int
	for _, d := range p.daemons {
		pids = append(pids, d.Pid())
	}
	return pids
}

// Baseline is the system that the ratios refer to.
const Baseline = "wireguard-go"

// maxTunnels is the longest chain of warren's that is measured.
const maxTunnels = 4

// Systems lists all systems in the order of the table.
func Systems() []System {
	all := []System{
		{Name: "veth", Title: "raw veth", start: startVeth, setup: "no tunnel: two hosts on one veth"},
		{Name: Baseline, Title: "wireguard-go", start: startWireGuard, setup: "two hosts on one veth", layers: 1},
		{Name: "strongswan", Title: "strongSwan kernel-libipsec", start: startStrongSwan, setup: "two hosts on one veth", layers: 1},
		{Name: "warren-0", Title: "warren, transport mode", start: startTransport, setup: "two hosts on one veth"},
	}
	for n := 1; n <= maxTunnels; n++ {
		s := System{Name: fmt.Sprintf("warren-%d", n), Title: "warren, 1 tunnel", layers: n, setup: "two hosts on one veth"}
		if n > 1 {
			s.Title = fmt.Sprintf("warren, %d tunnels", n)
			s.setup = fmt.Sprintf("the sender and a chain of %d gateways, each a host and a daemon of its own that opens one tunnel", n)
		}
		s.start = func(ctx context.Context, l *lab.Lab, t Tools) (*path, error) { return startTunnels(ctx, l, n) }
		all = append(all, s)
	}
	return all
}

// Pick finds systems by name, in the order of the table; no names mean all.
func Pick(names []string) ([]System, error) {
	if len(names) == 0 {
		return Systems(), nil
	}
	var known []string
	var out []System
	for _, s := range Systems() {
		known = append(known, s.Name)
		if slices.Contains(names, s.Name) {
			out = append(out, s)
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("bench: no system %q, there are %s", n, strings.Join(known, ", "))
		}
	}
	return out, nil
}
