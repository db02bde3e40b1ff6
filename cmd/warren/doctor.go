package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/doctor"
)

// A doctorReport is what `doctor -o json` prints.
type doctorReport struct {
	OK       bool           `json:"ok"`
	Failures int            `json:"failures"`
	Warnings int            `json:"warnings"`
	Checks   []doctor.Check `json:"checks"`
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Find what keeps a node from running, or from running well",
		Long: "doctor looks at privileges, devices, what the kernel can do, ports, filters, the\n" +
			"way to the peers, the clock and the daemon, if it runs. It changes nothing: what\n" +
			"the kernel can do it tries in a network namespace of its own. It exits with 1\n" +
			"if something failed; warnings are about what works, but could work better.",
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			return a.doctor(ctx)
		},
	}
}

func (a *app) doctor(ctx context.Context) error {
	o := doctor.Options{Config: a.config, Version: version()}
	if o.Daemon, o.NoDaemon = a.client(); o.NoDaemon == nil {
		defer o.Daemon.Close()
	}
	r := doctorReport{Checks: doctor.Run(ctx, o)}
	for _, c := range r.Checks {
		switch c.Status {
		case doctor.Fail:
			r.Failures++
		case doctor.Warn:
			r.Warnings++
		}
	}
	r.OK = r.Failures == 0
	if a.json() {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.printDoctor(r)
	}
	if !r.OK {
		return &endError{exitFailed, nil}
	}
	return nil
}

func (a *app) printDoctor(r doctorReport) {
	width := 0
	for _, c := range r.Checks {
		width = max(width, len(c.Name))
	}
	for _, c := range r.Checks {
		a.printf("%-4s  %-*s  %s\n", c.Status, width, c.Name, oneLine(c.Detail))
		if c.Fix != "" {
			a.printf("%s= %s\n", strings.Repeat(" ", width+8), oneLine(c.Fix))
		}
	}
	a.printf("%s, %s\n", plural(r.Failures, "failure", "failures"), plural(r.Warnings, "warning", "warnings"))
}
