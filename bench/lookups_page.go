package bench

import (
	"fmt"
	"strings"
	"time"
)

const lookupsTop = `# Looking up rules

Written by ` + "`make bench-lookups`" + `. What a packet costs whose flow is not in the cache yet; the cache itself is in inprocess.md.

`

const lookupsHow = `## How to read it

* The rules are made by package bench/classbench, in the manner of ClassBench: acl has hosts on both sides and ports of destinations, many
  of them for the same two hosts; fw has everything on one side of most rules, ports on either side, and hosts that many rules name; ipc is
  between both; mix has a third of each. Prefixes are nested some four deep. A flow of the mix of 100,000 matches 13 rules, of which the
  first is asked for.
* 65,536 flows, each within or near a random rule, are looked up in turn and one by one, three times over in each round: what one of them
  needs has left the nearest caches when it comes again. Figures are medians over %d rounds, with the least and the most in parentheses.
  Tunnel rules have four gateways, one of which is passed by, as one is whose own address is asked for. Fragments are those without ports.
* dpdk-test-acl, of Debian's dpdk-dev, has the same rules and the same flows, of IPv4 only, in one run with 20 iterations; it is handed 256
  flows at a time, and works on several at once. Ratios are warren's transport rules to it: above 1, warren takes longer. Of the sets of up
  to %d rules, every first match was the same in both.
* "Tries" are what librte_acl divides a set into, each of which it goes through for every flow. Building is the time until the first look-up
  can be made, for dpdk-test-acl from its start, with some 0.8 s for the program itself. Memory of warren is the heap that rules and index
  take, of dpdk-test-acl the most that its process had. dpdk-test-acl cannot change a rule: it builds anew.
* A flow in a worker's cache takes 64 bytes, and the cache is between a quarter and half full until it reaches its limit.
`

// LookupsPage is the results as a page.
func LookupsPage(all []Lookups, o LookupOptions) string {
	o = o.withDefaults()
	var b strings.Builder
	b.WriteString(lookupsTop)
	b.WriteString(caption(time.Now(), ThisMachine()))
	fmt.Fprintf(&b, "\n## A look-up\n\n%s\n## Rules\n\n%s\n", lookupTable(all), rulesTable(all))
	fmt.Fprintf(&b, lookupsHow, o.Rounds, aclCheck)
	var failed []string
	for _, l := range all {
		for _, a := range l.ACL {
			if a.Error != "" {
				failed = append(failed, fmt.Sprintf("* %s, %d rules, %s: %s\n", l.Seed, l.Rules, a.Algorithm, a.Error))
			}
		}
	}
	if len(failed) > 0 {
		fmt.Fprintf(&b, "\n## What dpdk-test-acl could not do\n\n%s", strings.Join(failed, ""))
	}
	return b.String()
}

// name is the row's.
func (l *Lookups) name() string {
	if l.IPv6 > 0 {
		return fmt.Sprintf("%d, %s, %d %% IPv6", l.Rules, l.Seed, l.IPv6)
	}
	return fmt.Sprintf("%d, %s", l.Rules, l.Seed)
}

func lookupTable(all []Lookups) string {
	head := []string{"ns per look-up", "transport rules", "tunnel rules", "fragments"}
	algorithms := aclAlgorithms()
	for _, a := range algorithms {
		head = append(head, "dpdk-test-acl "+a, "ratio")
	}
	rows := [][]string{head}
	for i := range all {
		l := &all[i]
		row := []string{l.name(), l.Transport.cell(), l.Tunnel.cell(), l.Fragment.cell()}
		for _, a := range algorithms {
			row = append(row, l.aclCells(a)...)
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// cell is the median with the span.
func (s Summary) cell() string {
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

func (l *Lookups) aclCells(algorithm string) []string {
	for _, a := range l.ACL {
		if a.Algorithm == algorithm && a.Error == "" {
			return []string{number(a.Lookup), number2(l.Transport.Median/a.Lookup) + "×"}
		}
	}
	return []string{"–", "–"}
}

func rulesTable(all []Lookups) string {
	rows := [][]string{{"rules", "build, s", "of dpdk-test-acl", "bytes per rule", "of dpdk-test-acl", "tries it made", "a change, ms"}}
	for i := range all {
		l := &all[i]
		row := []string{l.name(), number(l.Build), "–", number(l.Bytes), "–", "–", l.Change.cell()}
		for _, a := range l.ACL {
			if a.Error == "" {
				row[2], row[4], row[5] = number(a.Build), number(a.Memory/float64(l.Rules)), fmt.Sprint(a.Tries)
				break
			}
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// caption says when and on what a page's figures were measured.
func caption(when time.Time, m Machine) string {
	return fmt.Sprintf("%s. %v\n", when.UTC().Format("2006-01-02 15:04 MST"), m)
}
