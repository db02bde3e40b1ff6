// Package lab builds networks of network namespaces on one machine, for the
// demo, the end-to-end tests and the benchmarks.
//
// A [Lab] owns nodes, and a [Node] is a network namespace and a mount namespace
// held open by one small process, the anchor; /run is the node's own, so that
// daemons which insist on fixed paths there can run once per node. Nodes are
// joined by veth pairs that never appear outside of them. [Figure2] is the network of
// the patent's figure 2: sender, router, gateways, receiver. [TwoHosts] is but two of them,
// one of which ends all layers.
//
// Nothing is named globally: no namespace has an entry in /run/netns, and all
// files are under the lab's own directory. Every child dies with the process
// that made it, even if that one is killed, and the kernel then frees the
// namespaces and their links. [Lab.Close] does the same in order, and
// [Lab.Left] says what it missed.
//
// The package needs root and the programs of iproute2, util-linux, tcpdump,
// iperf3 and iputils; strongSwan only for [Node.StartCharon].
package lab
