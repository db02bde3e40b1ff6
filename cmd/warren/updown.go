package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"warren/control"
)

type chainAction func(c *control.Client, ctx context.Context, chain string, progress func(control.Event)) error

func (a *app) upCommand() *cobra.Command {
	return a.chainCommand("up", "Build a chain, outermost tunnel first", (*control.Client).Up)
}

func (a *app) rekeyCommand() *cobra.Command {
	return a.chainCommand("rekey", "Replace the SAs of a chain, layer by layer, without losing a packet", (*control.Client).Rekey)
}

func (a *app) reauthCommand() *cobra.Command {
	return a.chainCommand("reauth", "Authenticate a chain anew, layer by layer, without losing a packet", (*control.Client).Reauth)
}

func (a *app) downCommand() *cobra.Command {
	return a.chainCommand("down", "Take a chain down, innermost layer first", (*control.Client).Down)
}

// chainCommand is a verb that does something with a chain.
func (a *app) chainCommand(verb, short string, do chainAction) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " CHAIN|all",
		Short:             short,
		Args:              exactly("CHAIN|all"),
		ValidArgsFunction: a.completeChain,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.asking(func(ctx context.Context, c *control.Client) error {
				return a.act(ctx, c, verb, args[0], do)
			})(cmd, args)
		},
	}
}

// act asks the daemon and prints a line for each step.
func (a *app) act(ctx context.Context, c *control.Client, verb, chain string, do chainAction) error {
	steps := []control.Event{}
	err := do(c, ctx, chain, func(e control.Event) {
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
