// Package host is the kernel side of a node: the addresses of its TUN, the
// policy routing that brings protected traffic there and keeps everything else
// away, the routes of a gateway's clients, and the few sysctls these need.
//
// Rules of the node become routing rules of the kernel, in order, so that the
// first match wins there as it does in the node. They live in one range of rule
// priorities ([Options.Priority], [Span] long) and two routing tables
// ([Options.Table] and the one after it). Replacing a rule set is one netlink
// message per IP version: the new set is written beside the old one and a single
// goto switches over, so no packet meets half a rule set. Protected traffic that
// finds no TUN is refused by a rule, whatever routes main holds or gets later.
//
// One nftables table, inet warren-NAME, drops and counts packets for the TUN's
// addresses that arrive on another interface (CVE-2019-14899), except addresses
// that another interface has too. Nodes that share a
// network namespace need different names. Where there is no nf_tables, a warning
// says so and the rest works. Who flushes the system's rule set flushes this too,
// until the next SetAddresses and SetPolicy. Between the end of a killed daemon's
// table, in Open, and the next SetPolicy, sockets bound to an interface are free.
//
// Everything is undone on Close, and what a killed daemon left behind is undone
// by the next Open with the same journal.
//
// The kernel cannot tell port 65535 from "no port" (a fragment that is being
// forwarded), so rules with ports send both the way a fragment must go: to the
// TUN when the rule protects, past the rule when it bypasses. Packets from raw
// sockets with IP_HDRINCL have protocol 255 in the kernel's eyes and match no
// routing rule that names a protocol.
//
// An IPv4 socket bound to an interface (SO_BINDTODEVICE) that policy routing
// refuses is sent on the link all the same, to whoever answers ARP for the
// destination: the kernel takes a failed lookup for a missing route there (IPv6
// has no such exception). So the rules stand a second time in the nftables table,
// for locally made IPv4 packets that leave by an interface other than the TUN and
// lo: what is protected or blocked is dropped and counted there. Exempt are the
// node's own sockets, broadcasts and 224.0.0.0/24. A DHCP client that renews from
// its own socket is not: where its server is protected, it has to fall back to
// broadcasts. Nor is what routing rules of the system before ours send elsewhere.
//
// Cost: the kernel keeps rules in a list. Setting 10,000 takes 1 to 3 seconds,
// replacing them 5 to 17 (removal is quadratic), on two cores that others used;
// 10,000 rules that all ask for different ports take minutes to replace.
// The nftables copy adds under a millisecond a rule, and every locally made IPv4
// packet outside the TUN walks it in order.
//
// Not done here: DNS, network managers, VRFs.
package host
