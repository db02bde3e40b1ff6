package main

import (
	"github.com/spf13/cobra"
)

// completeChain offers the names of the daemon's chains to the shell; without a
// daemon, only "all".
func (a *app) completeChain(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := []string{"all"}
	if c, err := a.client(); err == nil {
		defer c.Close()
		if s, err := c.Status(cmd.Context()); err == nil {
			for _, chain := range s.Chains {
				names = append(names, chain.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
