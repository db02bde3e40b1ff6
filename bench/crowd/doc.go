// Package crowd is many IKE initiators at once, to measure a responder by: one
// engine of package ike on one pair of UDP sockets, each session with an identity
// of its own.
//
// It makes the SAs and never sends ESP through them.
package crowd
