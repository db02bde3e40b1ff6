// Package control is how a running node is looked at and told what to do: HTTP
// and JSON over a unix socket that only its owner may open, a client for it, a
// log of events, and Prometheus metrics.
//
// The JSON types here are the package's own: the daemon fills them, the command
// prints them, and tests outside this module rely on their spelling. Lists are
// never null. No type here has a place for a pre-shared secret or a key,
// but for Keys.
//
// It does not implement authentication beyond the mode of the socket, and it
// does not serve the control API over TCP; the metrics listener is read-only.
package control
