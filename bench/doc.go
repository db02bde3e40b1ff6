// Package bench measures warren beside the systems one would use instead, on
// one machine and in one run.
//
// A [System] can be started in network namespaces of its own: a bare veth pair,
// wireguard-go, strongSwan with ESP in userspace, warren with so many tunnels.
// [Run] goes through the systems round after round, so that whatever else the
// machine does meets all of them, and measures each one from scratch: TCP,
// loss-free UDP rates, round trips and CPU time. A [Result] keeps every single
// figure, as JSON; [Result.Markdown] and [Result.SVG] show medians, and before
// them the ratios to wireguard-go, which are what carries over to other machines.
//
// [MeasureLookups] looks rules up beside DPDK's librte_acl, which has the same rules
// and flows, and judges what was found.
//
// [MeasureMany] measures a gateway with many clients, beside the same packets
// through one SA.
//
// [MeasureEstablish] measures responders of IKE, beside strongSwan's.
//
// [ParseGo] and [GoTable] make one table of what `go test -bench` says about the
// packages of the data path.
package bench
