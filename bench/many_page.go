package bench

import "fmt"

const manyTop = `# Many peers

Written by ` + "`make bench-many`" + `. A gateway with %d clients, each with an SA of its own in either direction, between two other hosts:
what it forwards, beside the same packets through one SA.

%s
`

const manyHow = `
A client takes %.0f bytes: two SAs with the default window, and what the dataplane knows of it.

## How to read it

* The gateway's dataplane has one worker, a TUN device and UDP sockets in a network namespace; clients and server are two more, each
  joined to the gateway by a veth pair. Clients seal each packet for itself and send it from an address of its own, 64 to a system call,
  the clients in a random order: two packets of one SA are %d packets apart. What the gateway takes out of ESP its kernel forwards to the
  server, and the other way round. Sender, gateway and receiver share two cores.
* Figures are the highest rates that lose at most one packet in a thousand, medians over %d rounds that interleave all loads, with the
  least and the most in parentheses. Sizes are those of UDP payloads.
* "The same packets" are of the same flows between the same addresses, in the same order: what differs is how many SAs they are of. With an
  address of its own for each client, every packet the gateway sends needs a system call; to one address the kernel takes up to 64 at
  once (UDP_SEGMENT). With one flow it may coalesce what it forwards besides.
`

// Page is the result as a page.
func (r *Many) Page() string {
	return fmt.Sprintf(manyTop, r.Options.Clients, caption(r.Started, r.Machine)) + r.table() +
		fmt.Sprintf(manyHow, r.Bytes, r.Options.Clients, r.Options.Rounds)
}

func (r *Many) table() string {
	head := []string{"1000 packets a second"}
	for _, size := range manySizes() {
		head = append(head, fmt.Sprintf("%d B", size), "beside 1 SA")
	}
	rows := [][]string{head}
	for _, load := range manyLoads() {
		row := []string{load.title}
		for _, size := range manySizes() {
			own := r.Rates[manyKey(load.name, size)]
			row = append(row, r.rate(own), "")
			if c, ok := Compare(own, r.Rates[manyKey(load.base, size)]); ok {
				row[len(row)-1] = fmt.Sprintf("%.0f %% (%.0f–%.0f)", 100*c.Median, 100*c.Min, 100*c.Max)
			}
		}
		rows = append(rows, row)
	}
	return table(rows)
}

func (r *Many) rate(rounds map[int]float64) string {
	s := Summarize(values(rounds))
	return fmt.Sprintf("%s (%s–%s)", number(s.Median/1e3), number(s.Min/1e3), number(s.Max/1e3))
}
