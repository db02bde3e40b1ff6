package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"warren/control"
)

type chainAction func(ctx context.Context, chain string, progress func(control.Event)) error

func (a *app) upCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "up CHAIN|all",
		Short: "Build a chain, outermost tunnel first",
		Args:  exactly("CHAIN|all"),

		ValidArgsFunction: a.completeChain,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.act(cmd.Context(), "up", args[0], func(c *control.Client) chainAction { return c.Up })
		},
	}
}

func (a *app) rekeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "rekey CHAIN|all",
		Short:             "Replace the SAs of a chain, layer by layer, without losing a packet",
		Args:              exactly("CHAIN|all"),
		ValidArgsFunction: a.completeChain,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.act(cmd.Context(), "rekey", args[0], func(c *control.Client) chainAction { return c.Rekey })
		},
	}
}

func (a *app) reauthCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "reauth CHAIN|all",
		Short:             "Authenticate a chain anew, layer by layer, without losing a packet",
		Args:              exactly("CHAIN|all"),
		ValidArgsFunction: a.completeChain,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.act(cmd.Context(), "reauth", args[0], func(c *control.Client) chainAction { return c.Reauth })
		},
	}
}

func (a *app) downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down CHAIN|all",
		Short: "Take a chain down, innermost layer first",
		Args:  exactly("CHAIN|all"),

		ValidArgsFunction: a.completeChain,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.act(cmd.Context(), "down", args[0], func(c *control.Client) chainAction { return c.Down })
		},
	}
}

// act asks the daemon and prints a line for each step.
func (a *app) act(ctx context.Context, verb, chain string, method func(*control.Client) chainAction) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	steps := []control.Event{}
	err = method(c)(ctx, chain, func(e control.Event) {
		steps = append(steps, e)
		if !a.json() {
			a.printf("%s\n", eventText(e))
		}
	})
	if a.json() {
		if err := a.printJSON(steps); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", verb, chain, err)
	}
	if len(steps) == 0 && !a.json() {
		return a.already(ctx, c, verb, chain)
	}
	return nil
}

// already says what there was nothing to do for.
func (a *app) already(ctx context.Context, c *control.Client, verb, chain string) error {
	names := []string{chain}
	if chain == "all" {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		names = nil
		for _, c := range s.Chains {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		a.printf("no chain is there\n")
	}
	for _, name := range names {
		a.printf("%s is %s\n", name, verb)
	}
	return nil
}

// eventText is an event in one line, without its time.
func eventText(e control.Event) string {
	words := []string{fmt.Sprintf("%-13s", e.Kind)}
	add := func(format string, v any, zero any) {
		if v != zero {
			words = append(words, fmt.Sprintf(format, v))
		}
	}
	add("%s", e.Chain, "")
	add("layer %d", e.Layer, 0)
	add("%s", e.Peer, "")
	add("%s", e.Mode, "")
	if e.State != "" && !strings.HasSuffix(e.Kind, e.State) {
		words = append(words, e.State)
	}
	if e.SPIIn != "" || e.SPIOut != "" {
		words = append(words, "spi in "+dash(e.SPIIn)+" out "+dash(e.SPIOut))
	}
	text := strings.Join(words, "  ")
	if e.Reason != "" {
		text += ": " + oneLine(e.Reason)
	}
	return strings.TrimRight(text, " ")
}
