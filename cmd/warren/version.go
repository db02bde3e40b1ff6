package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"warren/esp"
)

// release is the version that this source tree leads to.
const release = "0.1.0"

// version is the release, with the commit where the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return release + "+" + s.Value[:12]
		}
	}
	return release
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and what runs the ciphers",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			if a.json() {
				return a.printJSON(map[string]string{"version": version(), "go": runtime.Version(), "ciphers": esp.Backend()})
			}
			a.printf("warren %s (%s)\nAES-GCM by %s\n", version(), runtime.Version(), esp.Backend())
			return nil
		},
	}
}
