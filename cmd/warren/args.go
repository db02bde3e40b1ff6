package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// exactly accepts as many arguments as there are names, and says by them what
// is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < len(names) {
			return usage("%s lacks %s; write: %s", cmd.Name(), strings.Join(names[n:], " "), synopsis(cmd))
		}
		return atMost(len(names))(cmd, args)
	}
}

// atMost accepts up to n arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usage("%q is too much; write: %s", args[n], synopsis(cmd))
		}
		return nil
	}
}

// synopsis is the whole command line of cmd but for its options.
func synopsis(cmd *cobra.Command) string { return cmd.Parent().CommandPath() + " " + cmd.Use }

// verbs lists the commands below cmd: "a, b or c".
func verbs(cmd *cobra.Command) string {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
