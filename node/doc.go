// Package node is where everything meets: it opens the TUN, the sockets and the
// control socket, runs one loop that drives the IKE engine and the nest of
// tunnels, and takes all of it down again, innermost first.
//
// The loop is the only goroutine that touches the engine, the manager and the
// children; packets, requests and time reach it through channels, and the
// dataplane's workers see only the immutable views it publishes.
//
// Reloading a configuration and moving a chain to another address of a peer are
// not implemented.
package node
