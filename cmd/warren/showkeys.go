package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"warren/control"
)

func (a *app) showKeysCommand() *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "The keys of all SAs, for Wireshark",
		Long: "keys prints the keys of all SAs that are up now, as lines of the files\n" +
			"ikev2_decryption_table and esp_sa of a Wireshark profile, or writes these files\n" +
			"into a folder. Then\n\n" +
			"  WIRESHARK_CONFIG_DIR=DIR tshark -o esp.enable_encryption_decode:TRUE -r FILE\n\n" +
			"shows what is inside of every layer whose outer layers are in the tables, too;\n" +
			"with offloads: none a capture has every packet by itself. The node tells its\n" +
			"keys only where its configuration has allow_key_export: true.",
		Args: exactly(),
		RunE: a.asking(func(ctx context.Context, c *control.Client) error {
			k, err := c.Keys(ctx)
			switch {
			case err != nil:
				return err
			case dir != "":
				return a.writeKeys(k, dir)
			case a.json():
				return a.printJSON(k)
			}
			a.printf("# ikev2_decryption_table\n%s# esp_sa\n%s", lines(k.IKE), lines(k.ESP))
			a.tellLeftOut(k)
			return nil
		}),
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write the two files into `DIR`")
	return cmd
}

// writeKeys makes a folder that is good as WIRESHARK_CONFIG_DIR or as a profile.
func (a *app) writeKeys(k control.Keys, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, l := range map[string][]string{"ikev2_decryption_table": k.IKE, "esp_sa": k.ESP} {
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // it may have another mode
			return err
		}
		if err := os.WriteFile(path, []byte(lines(l)), 0o600); err != nil {
			return err
		}
	}
	a.tellLeftOut(k)
	return nil
}

// tellLeftOut is for people: files and pipes have only what Wireshark reads.
func (a *app) tellLeftOut(k control.Keys) {
	for _, l := range k.LeftOut {
		fmt.Fprintf(a.err, "left out: %s\n", l)
	}
}

func lines(l []string) string {
	if len(l) == 0 {
		return ""
	}
	return strings.Join(l, "\n") + "\n"
}
