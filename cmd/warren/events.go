package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"warren/control"
)

func (a *app) eventsCommand() *cobra.Command {
	var all, noFollow bool
	var since uint64
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Follow what happens, or print what happened",
		Long:  "events prints events as they happen. With -o json each is one line.",
		Args:  exactly(),
		RunE: a.asking(func(ctx context.Context, c *control.Client) error {
			if noFollow {
				return a.history(ctx, c, since)
			}
			return a.follow(ctx, c, all || since > 0, since)
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "begin with the events that the daemon remembers")
	cmd.Flags().Uint64Var(&since, "since", 0, "begin after the event with this `NUMBER`")
	cmd.Flags().BoolVar(&noFollow, "no-follow", false, "print the remembered events and exit")
	return cmd
}

func (a *app) history(ctx context.Context, c *control.Client, since uint64) error {
	events, err := c.History(ctx)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Seq > since {
			if err := a.printEvent(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) follow(ctx context.Context, c *control.Client, all bool, since uint64) error {
	err := c.Events(ctx, all, func(e control.Event) error {
		if e.Seq <= since {
			return nil
		}
		return a.printEvent(e)
	})
	if errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how one stops following
	}
	return err
}

func (a *app) printEvent(e control.Event) error {
	if a.json() {
		return a.printLine(e)
	}
	_, err := fmt.Fprintf(a.out, "%5d  %s  %s\n", e.Seq, e.Time.Local().Format("15:04:05.000"), eventText(e))
	return err
}
