package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"warren/config"
	"warren/nest"
	"warren/packet"
)

func (a *app) explainCommand() *cobra.Command {
	var sport uint16
	cmd := &cobra.Command{
		Use:   "explain SRC DST PROTO[/DPORT] -c FILE",
		Short: "Show what becomes of a packet: rules, pending stack, headers, MTU",
		Long: "explain follows a packet through the rules, without a daemon and without root.\n" +
			"SRC and DST are addresses or names of peers; PROTO is a name or a number.",
		Example: "  warren explain 10.200.0.1 203.0.113.77 tcp/443 -c alice.yaml\n" +
			"  warren explain 10.200.0.1 bob icmp -c alice.yaml",
		Args: exactly("SRC", "DST", "PROTO[/DPORT]"),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := a.needConfig("explain SRC DST PROTO")
			if err != nil {
				return err
			}
			c, err := config.LoadWith(path, config.Options{NoSecrets: true, NoChecks: true})
			if err != nil {
				return a.badConfig(err, config.Problem.Detail)
			}
			flow, err := parseFlow(c, args, sport)
			if err != nil {
				return err
			}
			return a.explain(c, flow)
		},
	}
	cmd.Flags().Uint16Var(&sport, "sport", 0, "source `PORT`")
	return cmd
}

// badConfig prints every error of a configuration as text says.
func (a *app) badConfig(err error, text func(config.Problem) string) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	if a.json() {
		if err := a.printJSON(checkReport{File: a.config, Errors: len(problems.Errors()), Problems: problems}); err != nil {
			return err
		}
		return &endError{exitFailed, nil}
	}
	for _, p := range problems.Errors() {
		fmt.Fprintf(a.err, "warren: %s\n", strings.TrimSuffix(text(p), "\n"))
	}
	return &endError{exitFailed, nil}
}

// parseFlow reads SRC, DST and PROTO[/DPORT].
func parseFlow(c *config.Config, args []string, sport uint16) (packet.Flow, error) {
	f := packet.Flow{SrcPort: sport}
	var err error
	if f.Dst, err = place(c, "DST", args[1], true); err != nil {
		return f, err
	}
	if f.Src, err = place(c, "SRC", args[0], f.Dst.Is4()); err != nil {
		return f, err
	}
	if f.Src.Is4() != f.Dst.Is4() {
		return f, usage("SRC is %s and DST is %s: write two IPv4 or two IPv6 addresses", f.Src, f.Dst)
	}
	name, port, hasPort := strings.Cut(args[2], "/")
	proto, ok := config.ParseProto(name)
	if !ok {
		return f, usage("PROTO is %q; write tcp/443, udp/53, icmp or a number from 1 to 255", args[2])
	}
	f.Proto = proto
	if !config.HasPorts(proto) {
		if hasPort || sport != 0 {
			return f, usage("%s has no ports; write %s alone", name, name)
		}
		return f, nil
	}
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return f, usage("port %q is not a number from 0 to 65535", port)
		}
		f.DstPort = uint16(n)
	}
	return f, nil
}

// place is an address, or that of a peer: of the family v4 or not, if it has one.
func place(c *config.Config, what, s string, v4 bool) (netip.Addr, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return a.Unmap(), nil
	}
	p := c.Peer(s)
	if p == nil {
		return netip.Addr{}, usage("%s is %q, neither an address nor a peer in %s", what, s, c.Path)
	}
	for _, a := range p.Addrs {
		if a.Is4() == v4 {
			return a, nil
		}
	}
	return p.Addrs[0], nil
}

func (a *app) explain(c *config.Config, flow packet.Flow) error {
	e := nest.Explain(c.Resolver(), flow, nest.Assumptions{Source: func(remote netip.Addr) netip.Addr {
		for _, l := range c.Listen.Addresses {
			if l.Is4() == remote.Is4() && !l.IsUnspecified() {
				return l
			}
		}
		return netip.Addr{}
	}})
	if a.json() {
		if err := a.printJSON(e); err != nil {
			return err
		}
	} else {
		a.printf("%s", e)
	}
	if e.Error != "" {
		return &endError{exitFailed, nil} // told above
	}
	return nil
}
