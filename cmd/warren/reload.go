package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"warren/control"
)

func (a *app) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the daemon read its configuration anew",
		Long: "reload has the daemon read its configuration, certificates, revocation lists and\n" +
			"secrets anew; so does SIGHUP. Chains that would be the same stay as they are,\n" +
			"others go down and, where they stood, come up again. Sessions of peers that would\n" +
			"not be let in any more end. If something is wrong, nothing changes.",
		Args: exactly(),
		RunE: a.asking(func(ctx context.Context, c *control.Client) error {
			r, err := c.Reload(ctx)
			switch {
			case errors.Is(err, control.ErrNotRunning):
				return err
			case err != nil:
				return fmt.Errorf("nothing has changed: %w", err)
			case a.json():
				return a.printJSON(r)
			}
			for _, w := range r.Warnings {
				a.printf("%s\n", oneLine(w))
			}
			a.printf("%s\n", r)
			return nil
		}),
	}
}
