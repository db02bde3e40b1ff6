package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"warren/config"
)

// A checkReport is what `check -o json` prints.
type checkReport struct {
	File     string          `json:"file"`
	OK       bool            `json:"ok"`
	Errors   int             `json:"errors"`
	Warnings int             `json:"warnings"`
	Problems config.Problems `json:"problems"`
	Counts   counts          `json:"counts"`
}

type counts struct {
	Identities     int `json:"identities"`
	Profiles       int `json:"profiles"`
	Peers          int `json:"peers"`
	TransportRules int `json:"transport_rules"`
	TunnelRules    int `json:"tunnel_rules"`
	Accept         int `json:"accept"`
}

func (c counts) String() string {
	return fmt.Sprintf("%s, %s, %s, %s, %s", plural(c.Identities, "identity", "identities"), plural(c.Peers, "peer", "peers"),
		plural(c.TransportRules, "transport rule", "transport rules"), plural(c.TunnelRules, "tunnel rule", "tunnel rules"),
		plural(c.Accept, "accept entry", "accept entries"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Name everything that is wrong with a configuration",
		Args:  atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.config = args[0]
			}
			path, err := a.needConfig("check")
			if err != nil {
				return err
			}
			return a.check(path)
		},
	}
}

func (a *app) check(path string) error {
	c, problems := config.Check(path, config.Options{})
	r := checkReport{
		File: path, Errors: len(problems.Errors()), Warnings: len(problems.Warnings()), Problems: problems,
		Counts: counts{len(c.Identities), len(c.Profiles), len(c.Peers), len(c.Transport), len(c.Tunnel), len(c.Accept)},
	}
	if r.OK = r.Errors == 0; r.Problems == nil {
		r.Problems = config.Problems{}
	}
	if a.json() {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printCheck(r)
	}
	if !r.OK {
		return &endError{exitFailed, nil}
	}
	return nil
}

func (a *app) printCheck(r checkReport) {
	for _, p := range r.Problems {
		a.printf("%s\n", p.Detail())
	}
	found := plural(r.Errors, "error", "errors") + ", " + plural(r.Warnings, "warning", "warnings")
	switch {
	case !r.OK:
		a.printf("%s: %s\n", r.File, found)
	case r.Warnings > 0:
		a.printf("%s: ok, with %s: %s\n", r.File, plural(r.Warnings, "warning", "warnings"), r.Counts)
	default:
		a.printf("%s: ok: %s\n", r.File, r.Counts)
	}
}
