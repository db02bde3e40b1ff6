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

	setup   string
	layers  int
	ipsecmb bool // with the warren that has its ciphers from libipsec-mb
}

// Tools are the programs that systems run.
type Tools struct {
	Warren    string
	IPsecMB   string // warren with libipsec-mb
	WireGuard string
}

// warren is the one that s runs.
func (t Tools) warren(s System) string {
	if s.ipsecmb {
		return t.IPsecMB
	}
	return t.Warren
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

const (
	maxTunnels = 4 // in one another, of warren's
	gateways   = 3 // of its chain
)

const twoHosts = "two hosts on one veth"

// Systems lists all systems in the order of the table.
func Systems() []System {
	all := []System{
		{Name: "veth", Title: "raw veth", start: startVeth, setup: "no tunnel: " + twoHosts},
		{Name: Baseline, Title: "wireguard-go", start: startWireGuard, setup: twoHosts, layers: 1},
		{Name: "strongswan", Title: "strongSwan kernel-libipsec", start: startStrongSwan, setup: twoHosts, layers: 1},
	}
	for n := range maxTunnels + 1 {
		all = append(all, tunnels(n))
	}
	all = append(all, System{Name: "warren-chain", Title: fmt.Sprintf("warren, chain of %d gateways", gateways), layers: gateways,
		setup: fmt.Sprintf("the sender and %d gateways, each a host and a daemon of its own that does one layer and forwards", gateways),
		start: func(ctx context.Context, l *lab.Lab, _ Tools) (*path, error) { return startGateways(ctx, l, gateways) }})
	for _, n := range []int{1, 3} {
		s := tunnels(n)
		s.Name, s.Title, s.ipsecmb = s.Name+"-ipsecmb", s.Title+", libipsec-mb", true
		all = append(all, s)
	}
	return all
}

// tunnels is warren with n tunnels between two hosts.
func tunnels(n int) System {
	s := System{Name: fmt.Sprintf("warren-%d", n), Title: fmt.Sprintf("warren, %d tunnels", n), layers: n,
		setup: fmt.Sprintf("%s, which both do all %d layers in one pass", twoHosts, n)}
	switch n {
	case 0:
		s.Title, s.setup = "warren, transport mode", twoHosts
	case 1:
		s.Title, s.setup = "warren, 1 tunnel", twoHosts
	}
	s.start = func(ctx context.Context, l *lab.Lab, _ Tools) (*path, error) { return startTunnels(ctx, l, n) }
	return s
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
