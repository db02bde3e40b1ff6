// Package nest turns a packet into a nest of tunnels: which ones it needs
// (resolution), in which order they are built and, if one fails, torn down
// (establishment and rollback), and how the dataplane is to seal for all of
// them at once (bundles).
//
// A [Resolver] matches a flow against the rules until a [Stack] of pending
// actions stands, the outermost gateway on top. The [Manager] performs the
// actions one at a time, each through the tunnels before it, and keeps what
// succeeded on a [Completed] stack, which it pops to tear down. Tunnels are
// nodes of one tree that all chains share by reference. What the dataplane may
// do at any moment is one immutable [View].
//
// There is no socket, clock, goroutine or lock here. The Manager is told events
// and the time, and answers with commands; it belongs to one goroutine. Views,
// Bundles and Resolvers may be read by any.
//
// Not implemented: sessions that peers open through a layer that this node
// initiated (they are accepted from the network only), more than one address
// per family of a peer, and moving a chain to a peer's other address when the
// first does not answer.
package nest
