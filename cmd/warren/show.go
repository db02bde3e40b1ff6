package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"warren/control"
)

func (a *app) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "List SAs, IKE SAs, certificates, keys, rules, leases, routes or drops",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("there is no table %q; write: warren show %s", args[0], verbs(cmd))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("show what? Write: warren show %s", verbs(cmd))
		},
	}
	var zero bool
	drops := show(a, "drops", "Refused packets, by reason", (*control.Client).Drops,
		func(d map[string]uint64) [][]string { return dropRows(d, zero) })
	drops.Flags().BoolVar(&zero, "zero", false, "also reasons that no packet was refused for")
	cmd.AddCommand(
		show(a, "sa", "Child SAs, a direction a line", (*control.Client).SAs, saRows),
		show(a, "ike", "IKE SAs", (*control.Client).IKE, ikeRows),
		show(a, "certs", "Certificates and revocation lists, and when they end", (*control.Client).Certificates, certRows),
		a.showKeysCommand(),
		show(a, "rules", "The rule tables, in the order they are tried", (*control.Client).Rules, ruleRows),
		show(a, "leases", "Virtual addresses, given and got", (*control.Client).Leases, leaseRows),
		show(a, "routes", "What the daemon put into the kernel's routing", (*control.Client).Routes, routeRows),
		drops,
	)
	return cmd
}

// show is a verb that fetches one thing and prints it as JSON or as a table.
func show[T any](a *app, name, short string, fetch func(*control.Client, context.Context) (T, error), rows func(T) [][]string) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		Args:  exactly(),
		RunE: a.asking(func(ctx context.Context, c *control.Client) error {
			v, err := fetch(c, ctx)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(v)
			}
			return a.table(rows(v))
		}),
	}
}

func saRows(sas []control.SA) [][]string {
	rows := [][]string{{"SPI", "DIR", "PEER", "LAYER", "MODE", "SUITE", "ENCAP", "LOCAL", "REMOTE", "LOCAL TS", "REMOTE TS", "PACKETS", "BYTES", "AGE", "REKEY IN"}}
	for _, s := range sas {
		rows = append(rows, []string{s.SPI, s.Direction, s.Peer, strconv.Itoa(s.Layer), s.Mode, s.Suite, s.Encap, s.Local, s.Remote,
			list(s.LocalTS), list(s.RemoteTS), fmt.Sprint(s.Packets), human(s.Bytes), age(s.AgeSeconds), left(s.RekeySeconds)})
	}
	return rows
}

func ruleRows(rules []control.Rule) [][]string {
	rows := [][]string{{"TABLE", "NAME", "MATCH", "ACTION", "PEER", "START", "POSITION"}}
	for _, r := range rules {
		rows = append(rows, []string{r.Table, r.Name, r.Match, r.Action, r.Peer, r.Start, r.Position})
	}
	return rows
}

func leaseRows(leases []control.Lease) [][]string {
	rows := [][]string{{"ADDRESS", "PEER", "DIRECTION", "POOL", "ACTIVE"}}
	for _, l := range leases {
		rows = append(rows, []string{l.Address, l.Peer, l.Direction, l.Pool, fmt.Sprint(l.Active)})
	}
	return rows
}

func routeRows(routes []control.Route) [][]string {
	rows := [][]string{{"KIND", "FAMILY", "TABLE", "TEXT"}}
	for _, r := range routes {
		rows = append(rows, []string{r.Kind, r.Family, strconv.Itoa(r.Table), r.Text})
	}
	return rows
}

func dropRows(drops map[string]uint64, zero bool) [][]string {
	rows := [][]string{{"REASON", "PACKETS"}}
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		if drops[reason] > 0 || zero {
			rows = append(rows, []string{reason, fmt.Sprint(drops[reason])})
		}
	}
	return rows
}
