package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"warren/control"
)

func (a *app) topCommand() *cobra.Command {
	every := 2 * time.Second
	count := 0
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch what each layer carries per second",
		Long: "top prints, again and again, what each layer of each chain and each accepted\n" +
			"peer carries per second. With -o json each round is one line.",
		Args: exactly(),
		RunE: a.asking(func(ctx context.Context, c *control.Client) error {
			if every < 100*time.Millisecond {
				return usage("--interval is %v; write 100ms or more", every)
			}
			err := a.top(ctx, c, every, count)
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C is how one stops watching
			}
			return err
		}),
	}
	cmd.Flags().DurationVar(&every, "interval", every, "`TIME` between rounds")
	cmd.Flags().IntVar(&count, "count", 0, "stop after so many `ROUNDS`; 0 is never")
	return cmd
}

// top prints a round per tick.
func (a *app) top(ctx context.Context, c *control.Client, every time.Duration, count int) error {
	last, err := c.Status(ctx)
	if err != nil {
		return err
	}
	at := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; count == 0 || i < count; i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now, err := c.Status(ctx)
		if err != nil {
			return err
		}
		then := at
		at = time.Now()
		if err := a.printRound(rates(last, now, at.Sub(then))); err != nil {
			return err
		}
		last = now
	}
	return nil
}

// A flowRate is what a layer or an accepted peer carries per second.
type flowRate struct {
	Chain      string  `json:"chain"` // empty for an accepted peer
	Layer      int     `json:"layer"`
	Peer       string  `json:"peer"`
	State      string  `json:"state"`
	PacketsIn  float64 `json:"packets_in"`
	BitsIn     float64 `json:"bits_in"`
	PacketsOut float64 `json:"packets_out"`
	BitsOut    float64 `json:"bits_out"`
}

// A carrier is something that counts, under a key that lasts over rekeys.
type carrier struct {
	flowRate
	packetsIn, bytesIn, packetsOut, bytesOut uint64
}

func carriers(s control.Status) (list []carrier) {
	for _, c := range s.Chains {
		for _, l := range c.Layers {
			list = append(list, carrier{
				flowRate{Chain: c.Name, Layer: l.Layer, Peer: l.Peer, State: l.State},
				l.PacketsIn, l.BytesIn, l.PacketsOut, l.BytesOut,
			})
		}
	}
	for _, p := range s.Accepted {
		list = append(list, carrier{
			flowRate{Layer: 1, Peer: p.Peer + " " + p.VirtualIP, State: p.State},
			p.PacketsIn, p.BytesIn, p.PacketsOut, p.BytesOut,
		})
	}
	return list
}

// rates is what each carrier of now has carried per second since last. Counters
// that have begun again count from zero.
func rates(last, now control.Status, span time.Duration) []flowRate {
	type key struct {
		chain, peer string
		layer       int
	}
	old := map[key]carrier{}
	for _, c := range carriers(last) {
		old[key{c.Chain, c.Peer, c.Layer}] = c
	}
	out := []flowRate{}
	for _, c := range carriers(now) {
		o := old[key{c.Chain, c.Peer, c.Layer}]
		r := c.flowRate
		r.PacketsIn, r.PacketsOut = perSecond(o.packetsIn, c.packetsIn, span), perSecond(o.packetsOut, c.packetsOut, span)
		r.BitsIn, r.BitsOut = 8*perSecond(o.bytesIn, c.bytesIn, span), 8*perSecond(o.bytesOut, c.bytesOut, span)
		out = append(out, r)
	}
	return out
}

func perSecond(from, to uint64, span time.Duration) float64 {
	if to < from {
		from = 0
	}
	return float64(to-from) / span.Seconds()
}

func (a *app) printRound(list []flowRate) error {
	if a.json() {
		return a.printLine(list)
	}
	rows := [][]string{{"CHAIN", "LAYER", "PEER", "STATE", "IN", "", "OUT", ""}}
	for _, r := range list {
		rows = append(rows, []string{r.Chain, fmt.Sprint(r.Layer), r.Peer, r.State,
			bitRate(r.BitsIn), packetRate(r.PacketsIn), bitRate(r.BitsOut), packetRate(r.PacketsOut)})
	}
	a.printf("%s\n", time.Now().Format(time.TimeOnly))
	return a.table(rows)
}

func packetRate(n float64) string { return fmt.Sprintf("%.0f packets/s", n) }

// bitRate is a rate with three figures.
func bitRate(n float64) string {
	units := []string{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"}
	i := 0
	for n >= 999.5 && i < len(units)-1 {
		n /= 1000
		i++
	}
	if i == 0 || n >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}
