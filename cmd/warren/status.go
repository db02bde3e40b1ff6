package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"warren/control"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Draw the chains, layer by layer",
		Long: "status draws the chains with their layers, the sessions that peers opened, and\n" +
			"what was refused. It exits with 3 if some chain is not what it should be, and\n" +
			"with 4 if no daemon runs or no chain is up though some should be.",
		Args: exactly(),
		RunE: a.asking(func(ctx context.Context, c *control.Client) error {
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			if a.json() {
				err = a.printJSON(s)
			} else {
				a.printStatus(s)
			}
			if code := health(s); err == nil && code != exitGood {
				return &endError{code, nil}
			}
			return err
		}),
	}
}

// health is the exit code that stands for s.
func health(s control.Status) int {
	up, bad := 0, 0
	for _, c := range s.Chains {
		switch c.State {
		case control.StateUp:
			up++
		case control.StateIdle:
			if c.Wanted {
				bad++
			}
		default:
			bad++
		}
	}
	switch {
	case bad == 0:
		return exitGood
	case up == 0 && !someDegraded(s):
		return exitDown
	}
	return exitDegraded
}

// someDegraded reports whether a chain carries some traffic still.
func someDegraded(s control.Status) bool {
	return slices.ContainsFunc(s.Chains, func(c control.Chain) bool { return c.State == control.StateDegraded })
}

func (a *app) printStatus(s control.Status) {
	a.printf("%s  warren %s, up %s\n", s.Node, dash(s.Version), age(s.UptimeSeconds))
	if s.Tun.Name != "" {
		a.printf("%s  %s\n", s.Tun.Name, dash(list(s.Tun.Addresses)))
	}
	a.printDataplane(s.Dataplane)
	for _, w := range s.Warnings {
		a.printf("warning: %s\n", oneLine(w))
	}
	for _, c := range s.Chains {
		a.printChain(c)
	}
	if len(s.Accepted) > 0 {
		a.printf("\naccepted\n")
		for _, p := range s.Accepted {
			indent := strings.Repeat("   ", max(p.Layer-1, 0))
			a.printf("  %s%s  %s  %s  from %s  %s\n", indent, p.Peer, p.Mode, p.State, p.Remote,
				facts(p.VirtualIP, p.VirtualIP6, p.SPIIn, p.SPIOut))
			a.printf("    %s%s\n", indent, traffic(p.PacketsIn, p.BytesIn, p.PacketsOut, p.BytesOut, p.Rekeys, 0))
		}
	}
	a.printRefused("packets", s.Drops)
	a.printRefused("IKE messages", s.IKE)
}

// printDataplane says how packets are moved, and what keeps them from more.
func (a *app) printDataplane(d control.Dataplane) {
	if d.Workers == 0 {
		return
	}
	off := []string{}
	has := func(name string, yes bool) {
		if !yes {
			name = "no " + name
		}
		off = append(off, name)
	}
	has("tso", slices.Contains(d.TunOffloads, "tso"))
	has("uso", slices.Contains(d.TunOffloads, "uso"))
	has("io_uring", slices.Contains(d.TunOffloads, "io_uring"))
	has("gso", d.UDPGSO)
	has("gro", d.UDPGRO)
	a.printf("%s  %s  %s\n", plural(d.Workers, "worker", "workers"), list(off), d.Cipher)
	for _, note := range d.Notes {
		a.printf("  slower than it could be: %s\n", note)
	}
}

func (a *app) printChain(c control.Chain) {
	a.printf("\n%s  %s", c.Name, c.State)
	if c.MTU > 0 {
		a.printf("  mtu %d", c.MTU)
	}
	if r := reason(c); r != "" {
		a.printf("  (%s)", r)
	}
	a.printf("\n")
	for i, l := range c.Layers {
		a.printLayer(l, strings.Repeat("   ", i), i < len(c.Layers)-1)
	}
}

// reason is why c is not up, or why it was not the last time, if it is being
// built again.
func reason(c control.Chain) string {
	if c.Reason == "" {
		return ""
	}
	text := oneLine(c.Reason)
	if c.FailedLayer > 0 {
		text = fmt.Sprintf("layer %d: %s", c.FailedLayer, text)
	}
	switch c.State {
	case control.StateFailed, control.StateDegraded, control.StateRollingBack:
		return text
	}
	return "last: " + text
}

// printLayer draws a layer inside the ones before it.
func (a *app) printLayer(l control.Layer, indent string, more bool) {
	line := []string{fmt.Sprintf("%s└─ %d", indent, l.Layer), l.Peer, l.Mode, l.State}
	if l.Local != "" || l.Remote != "" {
		line = append(line, dash(l.Local)+" → "+dash(l.Remote))
	}
	for _, word := range []string{l.Encap, l.Suite} {
		if word != "" {
			line = append(line, word)
		}
	}
	if l.MTU > 0 {
		line = append(line, fmt.Sprintf("mtu %d", l.MTU))
	}
	a.printf("%s", strings.Join(line, "  "))
	if l.Reason != "" {
		a.printf("  (%s)", oneLine(l.Reason))
	}
	a.printf("\n")
	if l.State != control.StateUp {
		return
	}
	bar := "     "
	if more {
		bar = "   │ "
	}
	if f := facts(l.VirtualIP, l.VirtualIP6, l.SPIIn, l.SPIOut); f != "" {
		a.printf("%s%s %s\n", indent, bar, f)
	}
	a.printf("%s%s %s\n", indent, bar, traffic(l.PacketsIn, l.BytesIn, l.PacketsOut, l.BytesOut, l.Rekeys, l.Reauths))
}

// facts are leases and SPIs, where there are any.
func facts(ip, ip6, spiIn, spiOut string) string {
	var words []string
	if leases := strings.TrimSpace(ip + " " + ip6); leases != "" {
		words = append(words, "virtual ip "+leases)
	}
	if spiIn != "" || spiOut != "" {
		words = append(words, "spi in "+dash(spiIn)+" out "+dash(spiOut))
	}
	return strings.Join(words, "  ")
}

func traffic(packetsIn, bytesIn, packetsOut, bytesOut, rekeys, reauths uint64) string {
	text := fmt.Sprintf("in %d packets, %s  out %d packets, %s", packetsIn, human(bytesIn), packetsOut, human(bytesOut))
	if rekeys > 0 {
		text += fmt.Sprintf("  rekeyed %d times", rekeys)
	}
	if reauths > 0 {
		text += fmt.Sprintf("  authenticated anew %d times", reauths)
	}
	return text
}

// printRefused lists the reasons for which something was refused.
func (a *app) printRefused(what string, drops map[string]uint64) {
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		if drops[reason] > 0 {
			words = append(words, fmt.Sprintf("%s %d", reason, drops[reason]))
		}
	}
	if len(words) > 0 {
		a.printf("\nrefused %s: %s\n", what, list(words))
	}
}
