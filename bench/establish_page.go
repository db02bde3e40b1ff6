package bench

import (
	"cmp"
	"fmt"
)

const establishTop = `# Establishing IKE SAs

Written by ` + "`make bench-establish`" + `. How much CPU time a responder needs for an IKE SA with its child SA, and how many it establishes in
a second: warren beside strongSwan's charon, both asked by the same initiator.

%s
`

const establishHow = `
The ratio is the result: of medians, in parentheses the least and the most of single rounds. The figures themselves say as much about the
machine.

## How to read it

* Both responders run as daemons, one at a time, in a network namespace of their own, to which the initiator talks by UDP over its loopback
  interface: IKE_SA_INIT and IKE_AUTH with a pre-shared key, X25519, AES-128-GCM and HMAC-SHA2-256, and a child SA in UDP with AES-128-GCM
  and a virtual IP. Each session has an identity and an address of its own. No cookies are asked for, and nobody leaves.
* The initiator is warren's engine in the benchmark's own process: what it needs is not in the figures, but it shares the cores, so the
  sessions a second are those of both ends.
* CPU time is what the kernel says in /proc/PID/stat, with what it does on the daemon's behalf: for sockets, and for the
  route to each virtual IP.
* %d rounds interleave the responders. In each a new daemon gets %d sessions one after the other, and another new one as many with %d
  under way at a time, all of which stay; before them come %d that are not measured.
* charon is Debian's (%s) with ESP in userspace (kernel-libipsec), its ciphers from OpenSSL, its
  table of IKE SAs made for many (ikesa_table_size) and its log at level 0: three lines a session
  where warren has two.
* In process, without sockets, kernel and ESP: ` + "`go test -run '^$' -bench Establish ./ike`" + `.
`

// Page is the result as a page.
func (r *Establish) Page() string {
	o := r.Options
	return fmt.Sprintf(establishTop, caption(r.Started, r.Machine)) + r.table() +
		fmt.Sprintf(establishHow, o.Rounds, o.Sessions, o.Parallel, max(o.Sessions/20, 1), cmp.Or(r.Version["strongswan"], "strongSwan"))
}

func (r *Establish) table() string {
	all := responders()
	rows := [][]string{{"sessions", "responder", "CPU ms each", "ratio to " + all[len(all)-1].name, "sessions a second"}}
	for _, load := range establishLoads() {
		for _, who := range all {
			key, base := establishKey(who.name, load.name), establishKey(all[len(all)-1].name, load.name)
			ratio := ""
			if c, ok := Compare(r.CPU[key], r.CPU[base]); ok && key != base {
				ratio = fmt.Sprintf("%.2f (%.2f–%.2f)", c.Median, c.Min, c.Max)
			}
			cpu, rate := Summarize(values(r.CPU[key])), Summarize(values(r.Rates[key]))
			rows = append(rows, []string{load.title, who.title, fmt.Sprintf("%.2f (%.2f–%.2f)", cpu.Median, cpu.Min, cpu.Max), ratio,
				fmt.Sprintf("%s (%s–%s)", number(rate.Median), number(rate.Min), number(rate.Max))})
		}
	}
	return table(rows)
}

// Ratios says how much CPU time warren needs beside charon, a line for each load.
func (r *Establish) Ratios() string {
	all, out := responders(), ""
	for _, load := range establishLoads() {
		if c, ok := Compare(r.CPU[establishKey(all[0].name, load.name)], r.CPU[establishKey(all[1].name, load.name)]); ok {
			out += fmt.Sprintf("%s needs %.2f (%.2f–%.2f) of the CPU time of %s, sessions %s\n", all[0].title, c.Median, c.Min, c.Max, all[1].title, load.title)
		}
	}
	return out
}
