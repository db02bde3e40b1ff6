package bench

import (
	"fmt"
	"strings"
)

const pageTop = `# Performance

Written by ` + "`make bench-peers`" + `. Ratios are the result: all systems were measured in one run, in turn, on the same cores, which
they share with the programs that make the traffic. The figures themselves say as much about the machine.
`

const pageHow = `## How to read it

* Each cell of the first table is a ratio of medians; in parentheses the least and the most of the ratios of single rounds. RTT and
  CPU are better when lower.
* UDP is the highest rate that loses at most %s of its packets and has at most 5 %% of a trial's under way when its last one is sent,
  found by search with a sender that makes one system call for up to 64 packets%s and a receiver that counts super-packets. Where the path's MTU is too small for 1350 bytes, the largest payload that
  is not fragmented was sent (third table). "≥" means that the sender was the limit.
* TCP is %s; ` + "`bench peers -congestion`" + ` names another.
* RTT is the median of pings. Idle they are 2 ms apart, between which ping spins, so that one of the cores is awake; rare are those
  20 ms apart, when everybody sleeps and it counts how long the machine takes to wake up. Under load is while four TCP streams run.
* CPU is seconds of all cores for 10⁹ bits of TCP, traffic generators and kernel included; "daemons" is the share of the system's
  own processes. Whatever else the machine did is in it.
* strongSwan's kernel-libipsec and wireguard-go have one layer. warren with several tunnels does them all at both ends: the sender seals
  all layers in one pass, and the receiver, who has the addresses of all the gateways, opens all in one. In the chain every gateway is a
  further host on the same cores, opens one layer, writes what is in it to its TUN device and has the kernel forward it: much of what
  that costs is that host.
* warren and strongSwan use AES-128-GCM with a 16-byte tag, by configuration; warren's default would be AES-256. wireguard-go knows
  ChaCha20-Poly1305 only. AES-GCM is Go's standard library's but where the table says libipsec-mb (` + "`make build-ipsecmb`" + `).
`

// Markdown is the result as a page that shows the plot and names its source.
func (r *Result) Markdown(plot, source string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\nFigures: `%s`\n\n", pageTop, r.caption(), source)
	fmt.Fprintf(&b, "## Ratios\n\n%s\n![Ratios to %s](%s)\n\n", r.ratioTable(), Baseline, plot)
	fmt.Fprintf(&b, "## Figures\n\n%s\n## Set-up\n\n%s\n", r.figureTable(), r.setupTable())
	bursts := ""
	if r.Options.Segments > 1 {
		bursts = fmt.Sprintf(" (handed over %d at a time as one, with UDP_SEGMENT)", r.Options.Segments)
	}
	fmt.Fprintf(&b, pageHow, percent(r.Options.Loss), bursts, congestion(r.Options.Congestion))
	if failures := r.failures(); len(failures) > 0 {
		fmt.Fprintf(&b, "\n## What failed\n\n")
		for _, f := range failures {
			fmt.Fprintf(&b, "* %s\n", f)
		}
	}
	return b.String()
}

func percent(part float64) string { return fmt.Sprintf("%g %%", part*100) }

// congestion says what TCP was, which results did not tell at first.
func congestion(name string) string {
	switch name {
	case "":
		return "what the machine has by default"
	case "cubic":
		return "CUBIC, the kernel's own default, whatever the machine's is"
	}
	return strings.ToUpper(name)
}
