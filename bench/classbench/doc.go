// Package classbench makes rules and flows like those of ClassBench (Taylor and
// Turner, "ClassBench: A Packet Classification Benchmark", INFOCOM 2005), and
// writes them as its files.
//
// There are three seeds, as there: access lists, firewalls and chains of IP
// filters, and their mix. A [Seed] says how often which protocols, classes of
// ports and pairs of prefix lengths occur. Addresses lie in few networks of
// different popularity, so that prefixes are nested some four deep and hosts occur
// in many rules. ACL has the shares of ClassBench's acl1 in round figures; FW and
// IPC follow what the paper says of such sets, as no seed of that kind was at
// hand. What is left out: TCP flags, and the trees of branching probabilities.
package classbench
